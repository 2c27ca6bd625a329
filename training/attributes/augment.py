"""Augmentation of training views: frame, light, sharpness, occlusion."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image
from training.attributes.data import SURROUNDINGS
from training.common.camera import compressed, downsampled

Random = np.random.Generator

INWARD: Final = 0.14
OUTWARD: Final = 0.09
"""The furthest that a side of the frame moves, as a share of the view."""


def varied(wide: Image, height: int, width: int, random: Random, *, any_color: bool) -> Image:
    """A training view of (height, width), from a view that includes the surroundings.

    `any_color`: the vehicle's colour is not labelled, so it may be changed.
    """
    image = _framed(wide, height, width, random)
    if any_color and random.random() < 0.35:
        image = _recolored(image, random)
    image = _lit(image, random)
    if random.random() < 0.3:
        image = _degraded(image, random)
    if random.random() < 0.25:
        _cover(image, random)
    return image


def _framed(wide: Image, height: int, width: int, random: Random) -> Image:
    """Shifted, scaled, rotated and, half of the time, mirrored."""
    full_height, full_width = wide.shape[:2]
    edge = SURROUNDINGS / (1 + 2 * SURROUNDINGS)
    left, top, right, bottom = (edge + random.uniform(-OUTWARD, INWARD, 4) * (1 - 2 * edge)).tolist()
    x0, x1, y0, y1 = left * full_width, (1 - right) * full_width, top * full_height, (1 - bottom) * full_height
    turn = np.deg2rad(random.normal(0, 3.0))
    flip = -1 if random.random() < 0.5 else 1
    scale = np.array([[flip * (x1 - x0) / width, 0], [0, (y1 - y0) / height]])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation @ scale
    shift = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - linear @ np.array([width / 2, height / 2])
    to_source = np.column_stack([linear, shift]).astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(wide, to_source, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, dtype=np.uint8)


def _recolored(image: Image, random: Random) -> Image:
    if random.random() < 0.4:
        return np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    return np.ascontiguousarray(image[:, :, random.permutation(3)])


def _lit(image: Image, random: Random) -> Image:
    """Exposure, contrast and a slight cast, which do not change the name of a colour."""
    gamma = np.exp(random.normal(0, 0.25))
    contrast, brightness = random.uniform(0.75, 1.25), random.normal(0, 14)
    cast = random.normal(1, 0.025, 3)
    levels = 255 * (np.arange(256) / 255) ** gamma
    curves = ((levels - 114) * contrast + 114 + brightness)[:, None] * cast[None, :]
    return np.asarray(cv2.LUT(image, curves.clip(0, 255).astype(np.uint8)[None]), dtype=np.uint8)


def _degraded(image: Image, random: Random) -> Image:
    """One of: defocus, motion blur, low resolution, noise, compression."""
    width = image.shape[1]
    kind = int(random.integers(5))
    result: NDArray[np.generic]
    if kind == 0:
        result = cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 1.6) * width / 160)
    elif kind == 1:
        result = cv2.blur(image, (max(2, round(random.uniform(2, 7) * width / 160)), 1))
    elif kind == 2:
        result = downsampled(image, random.uniform(0.25, 0.7))
    elif kind == 3:
        noise = random.normal(0, random.uniform(3, 14), image.shape).astype(np.float32)
        result = (image + noise).clip(0, 255).astype(np.uint8)
    else:
        result = compressed(image, int(random.integers(15, 70)))
    return np.asarray(result, dtype=np.uint8)


def _cover(image: Image, random: Random) -> None:
    """Cover a part of the vehicle with something grey, in place."""
    height, width = image.shape[:2]
    h, w = round(height * random.uniform(0.12, 0.4)), round(width * random.uniform(0.12, 0.4))
    y, x = int(random.integers(height - h)), int(random.integers(width - w))
    image[y : y + h, x : x + w] = random.integers(256)
