"""Looks at a picture: at all of it, closer at vehicles, from farther away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detector.detections import Detections
from platelane.crops import FAST_CANVASES, ZOOM_CANVAS, Image, cut, frame_canvas, letterbox
from platelane.geometry import Box, Letterbox

MARGIN: Final = 0.08
"""Share of a vehicle's width and height that is shown around it."""
GAIN: Final = 1.25
"""A closer look has to show a vehicle this much larger to be worth its time."""
DISTANCES: Final = (0.3, 1.0)
"""Margins, as shares of the picture's width and height, of the looks from farther away."""


@dataclass(frozen=True, slots=True)
class Look:
    """A part of the picture in a canvas: where the part begins, and how it was fitted in."""

    canvas: Image
    fit: Letterbox
    xmin: float = 0.0
    ymin: float = 0.0

    def in_picture(self, seen: Detections) -> Detections:
        return seen.in_picture(self.fit, self.xmin, self.ymin)


def whole(image: Image) -> tuple[Look, Look]:
    """All of the picture, large and at about half that size: what fills the picture is found better in the second.

    A picture that fits into the small canvas is shown in that alone, filling it and in a margin.
    """
    height, width = image.shape[:2]
    if _is_small(image):
        return Look(*letterbox(image, ZOOM_CANVAS)), Look(*letterbox(image, ZOOM_CANVAS, DISTANCES[0]))
    return Look(*letterbox(image, frame_canvas(height, width))), Look(*letterbox(image, ZOOM_CANVAS))


def once(image: Image) -> tuple[Look]:
    """All of the picture in the one look of the fast mode; a small one in a margin."""
    height, width = image.shape[:2]
    if _is_small(image):
        return (Look(*letterbox(image, ZOOM_CANVAS, DISTANCES[0])),)
    return (Look(*letterbox(image, frame_canvas(height, width, FAST_CANVASES))),)


def closer(image: Image, vehicles: list[Box], scale: float, limit: int) -> list[Look]:
    """The first `limit` vehicles that gain from being enlarged; the large look showed the picture at `scale`."""
    height, width = image.shape[:2]
    looks: list[Look] = []
    for vehicle in vehicles:
        area = vehicle.grown(MARGIN).clipped(width, height)
        gain = min(ZOOM_CANVAS[1] / area.width, ZOOM_CANVAS[0] / area.height) / scale
        if gain >= GAIN and len(looks) < limit:
            looks.append(Look(*letterbox(cut(image, area), ZOOM_CANVAS), area.xmin, area.ymin))
    return looks


def farther(image: Image) -> list[Look]:
    """The whole picture, small in a wide margin: a plate that fills it is then of the size that plates usually are."""
    return [Look(*letterbox(image, ZOOM_CANVAS, margin)) for margin in DISTANCES[_is_small(image) :]]


def _is_small(image: Image) -> bool:
    height, width = image.shape[:2]
    return bool(height <= ZOOM_CANVAS[0] and width <= ZOOM_CANVAS[1])
