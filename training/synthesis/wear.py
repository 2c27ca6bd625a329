"""Wear and light of a plate: frame, screws, dirt, scratches, glare, night.

Every function takes and returns a flat plate, UINT8, shape (height, width, 3), blue-green-red.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image

Canvas = NDArray[np.float32]


def worn(plate: Image, severity: float, random: np.random.Generator) -> Image:
    """A used plate in some light, with the same shape and type; `severity` 0 is nearly new, 1 is hard to read."""
    canvas = plate.astype(np.float32)
    if random.random() < 0.5:
        _screws(canvas, random)
    if random.random() < 0.35:
        _frame(canvas, random)
    if random.random() < 0.6 * severity:
        canvas = _dirty(canvas, severity, random)
    if random.random() < 0.3 * severity:
        _scratched(canvas, random)
    if random.random() < 0.2 * severity:
        canvas += _glare(canvas.shape[0], canvas.shape[1], random)
    if random.random() < 0.12 * severity:
        canvas = _at_night(canvas, random)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _screws(canvas: Canvas, random: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    radius = max(1, round(0.02 * width * random.uniform(0.5, 1.1)))
    y = height * (random.uniform(0.08, 0.2) if height > 0.35 * width else 0.5)
    x = width * random.uniform(0.03, 0.3)
    shade = random.uniform(30, 220)
    for column in (x, width - x):
        cv2.circle(canvas, (round(column), round(y)), radius, (shade, shade, shade), -1, cv2.LINE_AA)


def _frame(canvas: Canvas, random: np.random.Generator) -> None:
    """A holder that covers the edges, often with a dealer's strip above or below."""
    height, width = canvas.shape[:2]
    thick = max(1, round(width * random.uniform(0.008, 0.025)))
    shade = random.choice([random.uniform(10, 60), random.uniform(150, 220)])
    color = tuple((shade + random.normal(0, 5, 3)).tolist())
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), color, 2 * thick)
    if random.random() < 0.5 and height > 0.35 * width:
        strip = round(height * random.uniform(0.07, 0.12))
        rows = slice(height - strip, height) if random.random() < 0.6 else slice(0, strip)
        canvas[rows] = color


def _dirty(canvas: Canvas, severity: float, random: np.random.Generator) -> Canvas:
    """Soft patches of road dirt, thicker towards the bottom."""
    height, width = canvas.shape[:2]
    grain = int(random.integers(3, 14))
    patches = cv2.resize(
        random.random((grain, grain * 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    fall = np.linspace(0.4, 1.0, height, dtype=np.float32)[:, None]
    cover = np.clip((patches - random.uniform(0.3, 0.7)) * 2, 0, 1) * fall * random.uniform(0.1, 0.75) * severity
    color = random.uniform((50, 60, 70), (120, 135, 150)).astype(np.float32)
    return np.asarray(canvas + cover[..., None] * (color - canvas), dtype=np.float32)


def _scratched(canvas: Canvas, random: np.random.Generator) -> None:
    height, width = canvas.shape[:2]
    for _ in range(int(random.integers(1, 6))):
        start = random.uniform((0, 0), (width, height))
        end = start + random.normal(0, 0.2 * width, 2)
        shade = random.uniform(60, 240)
        points = [(round(float(x)), round(float(y))) for x, y in (start, end)]
        cv2.line(canvas, points[0], points[1], (shade, shade, shade), 1, cv2.LINE_AA)


def _glare(height: int, width: int, random: np.random.Generator) -> Canvas:
    """A reflection of the sun or a lamp: light to add, shape (height, width, 1)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    center = random.uniform((0, 0), (width, height))
    size = width * random.uniform(0.08, 0.4)
    bright = np.exp(-(((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * size**2)))
    return np.asarray(random.uniform(40, 170) * bright[..., None], dtype=np.float32)


def _at_night(canvas: Canvas, random: np.random.Generator) -> Canvas:
    """Retroreflection: nearly white paper, pale ink, no colours."""
    grey = canvas.mean(axis=2, keepdims=True)
    faded = grey + (canvas - grey) * np.float32(random.uniform(0.1, 0.6))
    return np.asarray(255 - (255 - faded) * np.float32(random.uniform(0.45, 1.0)), dtype=np.float32)
