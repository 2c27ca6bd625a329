"""Boxes and corners in pixels, and the letterbox that maps a picture onto a model's canvas and back.

Coordinates are floats in pixels of the picture named by the function, origin in the upper left corner, x to the
right. Corners are a (4, 2) array, clockwise from the upper left corner of the *plate* (which in an upside-down picture
is at the lower right).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Corners = NDArray[np.float32]
"""Shape (4, 2): x, y of the four corners, clockwise from the plate's upper left."""


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned rectangle; `xmax` and `ymax` are exclusive."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def width(self) -> float:
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        return self.ymax - self.ymin

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def center(self) -> tuple[float, float]:
        return (self.xmin + self.xmax) / 2, (self.ymin + self.ymax) / 2

    @classmethod
    def around(cls, points: NDArray[np.floating]) -> Box:
        """The smallest box that contains all points, shape (N, 2)."""
        return cls(*map(float, (*points.min(axis=0), *points.max(axis=0))))

    def corners(self, like: Corners | None = None) -> Corners:
        """The box's own corners, clockwise from its upper left, or from the one nearest to the first of `like`."""
        corners = np.array(
            [[self.xmin, self.ymin], [self.xmax, self.ymin], [self.xmax, self.ymax], [self.xmin, self.ymax]],
            dtype=np.float32,
        )
        if like is None:
            return corners
        return np.roll(corners, -int(np.linalg.norm(corners - like[0], axis=1).argmin()), axis=0)

    def intersection(self, other: Box) -> float:
        """Area in square pixels that both boxes cover."""
        width = min(self.xmax, other.xmax) - max(self.xmin, other.xmin)
        height = min(self.ymax, other.ymax) - max(self.ymin, other.ymin)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        shared = self.intersection(other)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def grown(self, fraction: float) -> Box:
        """The box with `fraction` of its width and height added on every side."""
        dx, dy = self.width * fraction, self.height * fraction
        return Box(self.xmin - dx, self.ymin - dy, self.xmax + dx, self.ymax + dy)

    def clipped(self, width: int, height: int) -> Box:
        """The part inside a picture of this size, in whole pixels, at least one pixel wide and high."""
        xmin = min(max(0, round(self.xmin)), width - 1)
        ymin = min(max(0, round(self.ymin)), height - 1)
        xmax = max(xmin + 1, min(round(self.xmax), width))
        ymax = max(ymin + 1, min(round(self.ymax), height))
        return Box(xmin, ymin, xmax, ymax)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture was fitted into a canvas, keeping its aspect ratio: `canvas = picture * scale + (dx, dy)`."""

    scale: float
    dx: float
    dy: float

    @classmethod
    def fit(cls, width: int, height: int, canvas_width: int, canvas_height: int, margin: float = 0.0) -> Letterbox:
        """The largest centred fit of a `width` x `height` picture with `margin`, a share of it, on every side."""
        scale = min(canvas_width / width, canvas_height / height) / (1 + 2 * margin)
        return cls(
            scale,
            (canvas_width - round(width * scale)) / 2 // 1,
            (canvas_height - round(height * scale)) / 2 // 1,
        )

    def to_picture(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps canvas points, shape (..., 2), to pixels of the picture."""
        offset = np.array([self.dx, self.dy], dtype=np.float32)
        return ((points - offset) / np.float32(self.scale)).astype(np.float32)
