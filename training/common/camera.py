"""Camera effects: low resolution, motion blur, compression.

Each model decides how strongly and how often to apply them.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image
from training.data.dataset import decode

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])
"""Shape (height, width, 3)."""


def downsampled(image: Pixels, share: float, enlarged: int = cv2.INTER_LINEAR) -> Pixels:
    """The picture reduced to `share` of its width and height, and enlarged again by OpenCV's method `enlarged`."""
    height, width = image.shape[:2]
    size = max(1, round(width * share)), max(1, round(height * share))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=enlarged), image.dtype)


def motion_blurred(image: Pixels, length: int, angle: float) -> Pixels:
    """The picture with motion blur of `length` pixels in the direction of `angle` (radians)."""
    kernel = np.zeros((2 * length + 1, 2 * length + 1), dtype=np.float32)
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.round(length - reach).astype(int), np.round(length + reach).astype(int)
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), image.dtype)


def compressed(image: Image, quality: int) -> Image:
    """The picture after JPEG compression of that quality, 1 to 100."""
    return decode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
