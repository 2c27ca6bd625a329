"""Pastes a drawn plate over a labelled one in a photograph, with the photograph's perspective and light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image
from platelane.vision.geometry import Corners


def sides(corners: Corners) -> tuple[float, float]:
    """The mean width and the mean height of a plate in a photograph, in pixels."""
    top, bottom = corners[1] - corners[0], corners[2] - corners[3]
    left, right = corners[3] - corners[0], corners[2] - corners[1]
    along = float(np.linalg.norm(top) + np.linalg.norm(bottom)) / 2
    down = float(np.linalg.norm(left) + np.linalg.norm(right)) / 2
    return along, max(down, 1e-3)


def covering(corners: Corners, aspect: float) -> Corners:
    """Corners of a plate with that aspect ratio (width by height) that covers the given one, with the same centre."""
    along, down = sides(corners)
    present = along / down
    wider, higher = max(1.0, aspect / present), max(1.0, present / aspect)
    across = (corners[1] - corners[0] + corners[2] - corners[3]) / 4 * (wider * 1.04 - 1)
    upright = (corners[3] - corners[0] + corners[2] - corners[1]) / 4 * (higher * 1.04 - 1)
    outward = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float32)
    return np.asarray(corners + outward[:, :1] * across + outward[:, 1:] * upright, dtype=np.float32)


def of_shape(aspects: NDArray[np.float64], aspect: float, random: np.random.Generator) -> int:
    """Index of one of the ascending `aspects` within a factor of 1.3 of `aspect`; if there is none, the next."""
    low, high = np.searchsorted(aspects, (aspect / 1.3, aspect * 1.3))
    return int(random.integers(low, high)) if low < high else min(int(low), len(aspects) - 1)


def pasted(photo: Image, corners: Corners, plate: Image, random: np.random.Generator) -> Image:
    """The photograph, shape unchanged, with `plate` in place of the area within `corners`."""
    lit = _match_light(photo, corners, plate.astype(np.float32), random)
    source = _near_size(lit, corners)
    height, width = source.shape[:2]
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    transform = cv2.getPerspectiveTransform(outline - 0.5, (corners - 0.5).astype(np.float32))
    size = (photo.shape[1], photo.shape[0])
    layer = cv2.warpPerspective(source, transform, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.ones((height, width), np.float32), transform, size, flags=cv2.INTER_LINEAR)
    blur = random.uniform(0.3, 0.9)
    layer, cover = cv2.GaussianBlur(layer, (0, 0), blur), cv2.GaussianBlur(cover, (0, 0), blur)
    mixed = photo + cover[..., None] * (layer - photo)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _match_light(
    photo: Image, corners: Corners, plate: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """The plate with roughly the brightness and tint of the brightest tenth of what it replaces."""
    mask = np.zeros(photo.shape[:2], dtype=np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 1)
    inside = photo[mask > 0]
    if len(inside) == 0:
        return plate
    old, new = np.percentile(inside, 90, axis=0), np.percentile(plate.reshape(-1, 3), 90, axis=0)
    level = float(np.clip(old.mean() / max(new.mean(), 60.0), 0.3, 1.2))
    tint = np.clip(old / old.mean().clip(1), 0.75, 1.3) ** random.uniform(0, 0.7)
    haze = random.uniform(0, 25) * min(1.0, level)
    return np.asarray(plate * (level * tint) * (1 - haze / 255) + haze, dtype=np.float32)


def _near_size(plate: NDArray[np.float32], corners: Corners) -> NDArray[np.float32]:
    """The plate reduced to the size at which it will appear, against aliasing."""
    along, down = sides(corners)
    width = min(plate.shape[1], max(4, round(along)))
    height = min(plate.shape[0], max(4, round(down)))
    return np.asarray(cv2.resize(plate, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
