"""Augmentation of labelled plates: inaccurate corners, then a poor camera.

Everything is scaled by a severity from 0 (the labelled corners, the unchanged picture) to 1.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image, rectify_plate
from platelane.vision.geometry import Box, Corners
from training.common.camera import compressed, downsampled, motion_blurred
from training.synthesis.paste import sides

Pixels = NDArray[np.float32]
"""A picture while it is processed, shape (height, width, 3)."""

_INWARD = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], dtype=np.float32)


def augmented(image: Image, plate: Corners, severity: float, random: np.random.Generator) -> Image:
    """A rectified plate, shape `PLATE_SHAPE`; the higher the severity, the worse its corners and quality."""
    return degraded(rectify_plate(image, jittered(plate, severity, random)), severity, random)


def jittered(plate: Corners, severity: float, random: np.random.Generator) -> Corners:
    """Corners as a detector finds them: some pixels off, sometimes without the coloured band, or only the box.

    A pixel is a larger share of the plate's height than of its width.
    """
    if random.random() < 0.18 * severity:
        plate = Box.around(plate).corners()
    size = np.array(sides(plate), dtype=np.float32)
    wobble = random.normal(0, 0.004 + 0.021 * severity, (4, 2)) * [0.6, 2.0]
    shift = random.normal(0, 0.005 + 0.015 * severity, (1, 2)) * [0.8, 1.6]
    inward = random.normal(0, 0.005 + 0.022 * severity, (1, 2)) * [0.8, 1.5] * _INWARD
    moved = plate + (wobble + shift + inward).astype(np.float32) * size
    if random.random() < 0.08 * severity:
        side = random.uniform(-0.08, 0.09)
        moved[0] += (moved[1] - moved[0]) * np.float32(side)
        moved[3] += (moved[2] - moved[3]) * np.float32(side)
    return np.asarray(moved, dtype=np.float32)


def degraded(image: Image, severity: float, random: np.random.Generator) -> Image:
    """The picture as taken in worse light by a worse camera."""
    result = _lit(image.astype(np.float32), severity, random)
    if random.random() < 0.5 * severity:
        share, kind = random.uniform(0.25, 0.9), cv2.INTER_LINEAR if random.random() < 0.7 else cv2.INTER_CUBIC
        result = downsampled(result, share, kind)
    if random.random() < 0.4 * severity:
        result = _blurred(result, severity, random)
    if random.random() < 0.6 * severity:
        result += random.normal(0, random.uniform(1, 14), result.shape).astype(np.float32)
    pixels: Image = np.clip(result, 0, 255).astype(np.uint8)
    if random.random() < 0.4 * severity:
        pixels = compressed(pixels, int(random.integers(18, 85)))
    return pixels


def _lit(image: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Contrast, brightness, colour cast, gamma, the edge of a shadow; rarely grey or inverted."""
    gain = np.exp(random.normal(0, 0.08 + 0.2 * severity) + random.normal(0, 0.02 + 0.08 * severity, 3)).astype(
        np.float32
    )
    result = (image - 128) * gain + 128 + np.float32(random.normal(0, 6 + 22 * severity))
    if random.random() < 0.3 * severity:
        result = 255 * (np.clip(result, 0, 255) / 255) ** np.float32(np.exp(random.normal(0, 0.4)))
    if random.random() < 0.25 * severity:
        result *= _shadow(image.shape[0], image.shape[1], random)
    if random.random() < 0.10 * severity:
        result = np.repeat(result.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < 0.06 * severity:
        result = 255 - result
    return result


def _shadow(height: int, width: int, random: np.random.Generator) -> Pixels:
    """A factor for every pixel, shape (height, width, 1): one side of a random line is darker or lighter."""
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (x / width - random.uniform(0.2, 0.8)) * np.cos(angle) + (y / height - random.uniform(0.2, 0.8)) * np.sin(
        angle
    )
    edge = 1 / (1 + np.exp(-np.clip(across * random.uniform(4, 60), -20, 20)))
    return np.asarray(1 + (random.uniform(0.35, 1.5) - 1) * edge[..., None], dtype=np.float32)


def _blurred(image: Pixels, severity: float, random: np.random.Generator) -> Pixels:
    """Defocus or motion blur."""
    if random.random() < 0.5:
        soft = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 0.7 + 1.3 * severity))
        return np.asarray(soft, dtype=np.float32)
    return motion_blurred(image, int(random.integers(2, 4 + round(5 * severity))), random.uniform(0, np.pi))
