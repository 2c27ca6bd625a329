"""Pictures on plates, which are not characters: outlines, birds, wheelchairs, stars, hearts, flags, stickers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float32]
"""Shape (height, width, 3), blue-green-red, 0 to 255."""
_Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class _Place:
    """The centre of an emblem, and how far it extends from there, in pixels."""

    x: float
    y: float
    across: float
    down: float

    @property
    def reach(self) -> float:
        return min(self.across, self.down)

    def fill(self, canvas: Canvas, points: NDArray[np.float64], color: _Color, even: bool = False) -> None:
        """Fill a polygon whose points, shape (N, 2), are relative to the reach; `even` keeps its proportions."""
        scale = (self.reach, self.reach) if even else (self.across, self.down)
        placed = np.round(points * scale + (self.x, self.y)).astype(np.int32)
        cv2.fillPoly(canvas, [placed], color, cv2.LINE_AA)


def emblem(canvas: Canvas, x: float, y: float, across: float, down: float, random: np.random.Generator) -> None:
    """Paint a random emblem around (x, y), which extends at most `across` to the sides and `down` up and down."""
    down = max(2.0, down)
    place = _Place(x, y + random.uniform(-0.15, 0.15) * down, max(2.0, across), down)
    kinds = (_medal, _outline, _outline, _bird, _wheelchair, _star, _heart, _flag, _sticker)
    kinds[random.integers(len(kinds))](canvas, place, random)


def _color(random: np.random.Generator) -> _Color:
    blue, green, red = random.uniform(0, 235, 3).tolist()
    return (blue, green, red)


def _medal(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    middle = (round(place.x), round(place.y))
    axes = [max(1, round(reach * random.uniform(0.5, 1.0))) for reach in (place.across, place.down)]
    cv2.ellipse(canvas, middle, axes, 0, 0, 360, _color(random), -1, cv2.LINE_AA)
    cv2.ellipse(canvas, middle, [max(1, axis // 2) for axis in axes], 0, 0, 360, _color(random), -1, cv2.LINE_AA)


def _outline(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    """A random closed shape, like the outline of a state, an animal or a mountain."""
    count = int(random.integers(5, 14))
    angles = np.sort(random.uniform(0, 2 * np.pi, count))
    radii = random.uniform(0.45, 1.0, count)[:, None]
    place.fill(canvas, np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii, _color(random))


_BIRD = np.array(
    [
        [-1, -0.3],
        [-0.3, -0.2],
        [0, -0.9],
        [0.25, -0.15],
        [0.7, -0.45],
        [1, -0.2],
        [0.55, 0.2],
        [0.2, 0.5],
        [0.1, 1],
        [-0.1, 0.4],
        [-0.6, 0.3],
    ]
)


def _bird(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    place.fill(canvas, _BIRD if random.random() < 0.5 else _BIRD * [-1, 1], _color(random))


def _wheelchair(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    x, y, unit, color = place.x, place.y, place.reach, _color(random)
    thick = max(1, round(0.2 * unit))
    if random.random() < 0.5:
        corners = (round(x - unit), round(y - 1.1 * unit)), (round(x + unit), round(y + 1.1 * unit))
        cv2.rectangle(canvas, *corners, (190.0, 90.0, 20.0), -1)
        color = (240.0, 240.0, 240.0)
    seat = np.array([(0, -0.6), (0, 0.05), (0.5, 0.05), (0.75, 0.75)]) * unit + (x - 0.1 * unit, y)
    cv2.polylines(canvas, [np.round(seat).astype(np.int32)], False, color, thick, cv2.LINE_AA)
    head = (round(x - 0.1 * unit), round(y - 0.85 * unit))
    cv2.circle(canvas, head, max(1, round(0.16 * unit)), color, -1, cv2.LINE_AA)
    wheel = (round(x), round(y + 0.4 * unit)), (max(1, round(0.55 * unit)),) * 2
    cv2.ellipse(canvas, *wheel, 0, 20, 250, color, thick, cv2.LINE_AA)


def _star(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)[:, None]
    place.fill(canvas, np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii, _color(random), even=True)


def _heart(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    t = np.linspace(0, 2 * np.pi, 24)
    down = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    red = (random.uniform(20, 70), random.uniform(20, 50), random.uniform(160, 230))
    place.fill(canvas, np.stack([np.sin(t) ** 3, down], axis=1), red, even=True)


def _flag(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    left, right = round(place.x - place.across), round(place.x + place.across)
    stripes = int(random.integers(3, 8))
    edges = np.linspace(place.y - 0.6 * place.down, place.y + 0.6 * place.down, stripes).round().astype(int).tolist()
    colors = _color(random), _color(random)
    for row, (top, bottom) in enumerate(pairwise(edges)):
        cv2.rectangle(canvas, (left, top), (right, bottom), colors[row % 2], -1)


def _sticker(canvas: Canvas, place: _Place, random: np.random.Generator) -> None:
    """A validation sticker: a coloured field with print too small to be part of the number."""
    x, y, half = place.x, place.y, place.reach * random.uniform(0.5, 0.9)
    ink = _color(random)
    corners = (round(x - half), round(y - 0.7 * half)), (round(x + half), round(y + 0.7 * half))
    cv2.rectangle(canvas, *corners, _color(random), -1)
    for row in (-0.3, 0.15):
        for column in np.arange(-0.7, 0.7, 0.35).tolist():
            start = (round(x + column * half), round(y + row * half))
            cv2.rectangle(canvas, start, (round(start[0] + 0.18 * half), round(start[1] + 0.3 * half)), ink, -1)
