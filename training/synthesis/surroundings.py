"""Drawn surroundings for drawn plates, used without a photograph: paint, edges, a frame, grain."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from platelane.vision.crops import Image
from platelane.vision.geometry import Corners

WIDTHS: Final = (56.0, 200.0)
"""Least and greatest width of a plate, in pixels."""
ROOM: Final = 0.5
"""Margin on each side, as shares of the plate's width and height."""


def surroundings(aspect: float, random: np.random.Generator) -> tuple[Image, Corners]:
    """A picture, and corners in it for a plate of that aspect ratio (width by height)."""
    along = float(np.exp(random.uniform(*np.log(WIDTHS))))
    down = along / aspect
    width, height = round(along * (1 + 2 * ROOM)), max(16, round(down * (1 + 2 * ROOM)))
    corners = _seen(along, down, width, height, random)
    canvas = _paint(width, height, random)
    for _ in range(int(random.integers(0, 4))):
        _edge(canvas, random)
    shade = random.uniform(70, 250)  # brightness of the plate: `paste` adapts to the area that it covers
    cv2.fillConvexPoly(canvas, np.round(corners).astype(np.int32), (shade, shade, shade), cv2.LINE_AA)
    canvas += np.asarray(random.normal(0, random.uniform(1, 6), canvas.shape), np.float32)
    return np.clip(canvas, 0, 255).astype(np.uint8), corners


def _seen(along: float, down: float, width: int, height: int, random: np.random.Generator) -> Corners:
    """The plate's corners around the picture's centre, rotated, slanted and in perspective."""
    flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) / 2 * [along, down]
    turn, slant = np.radians(random.normal(0, 3)), random.normal(0, 0.06)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    sheared = flat @ np.array([[1, 0], [slant, 1]])
    nearer = 1 + np.sign(flat[:, :1]) * random.normal(0, 0.04)
    return np.asarray(sheared * nearer @ rotation.T + [width / 2, height / 2], np.float32)


def _paint(width: int, height: int, random: np.random.Generator) -> cv2.typing.MatLike:
    """The colour of a vehicle, mostly grey, with reflections; FP32."""
    grey = random.uniform(15, 225)
    color = np.asarray(np.clip(grey + random.normal(0, 40 if random.random() < 0.35 else 5, 3), 0, 255), np.float32)
    grid = (int(random.integers(2, 6)), int(random.integers(2, 6)), 1)
    mirrored = np.asarray(random.normal(0, random.uniform(4, 30), grid), np.float32)
    soft = cv2.resize(mirrored, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(color + soft.reshape(height, width, 1), np.float32)


def _edge(canvas: cv2.typing.MatLike, random: np.random.Generator) -> None:
    """A gap, a bumper's rim or a strip across the picture."""
    height, width = canvas.shape[:2]
    y = random.uniform(0, height)
    start, end = (0, round(y)), (width, round(y + random.normal(0, 0.05 * height)))
    shade = random.uniform(0, 255)
    cv2.line(canvas, start, end, (shade, shade, shade), int(random.integers(1, max(2, height // 12))), cv2.LINE_AA)
