"""Detection zones: parts of a camera's picture in which nothing is reported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platelane.pb.v1 import domain_pb2


def outside(
    boxes: NDArray[np.float32], excluded: Iterable[domain_pb2.Polygon], width: int, height: int
) -> NDArray[np.bool_]:
    """Which boxes have their centre in none of the polygons.

    Args:
        boxes: FP32 (N, 4), xmin ymin xmax ymax in pixels.
        excluded: polygons in fractions of the picture's width and height.

    Returns:
        Bool (N,).
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 / np.array([width, height], dtype=np.float32)
    kept = np.ones(len(boxes), dtype=bool)
    for polygon in excluded:
        corners = np.array([(point.x, point.y) for point in polygon.points], dtype=np.float32)
        kept &= ~_inside(centres, corners)
    return kept


def _inside(points: NDArray[np.floating[Any]], corners: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Even-odd rule: a ray to the right crosses the outline an odd number of times. (N, 2), (M, 2) -> (N,)"""
    x, y = points[:, None, 0], points[:, None, 1]
    x0, y0 = corners[:, 0], corners[:, 1]
    x1, y1 = np.roll(corners, -1, axis=0).T
    rise = np.where(y1 == y0, np.float32(1), y1 - y0)  # level edges are never crossed
    crossed = ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) / rise * (x1 - x0))
    return np.asarray(crossed.sum(axis=1) % 2 == 1)
