"""Distances to simple solids, for ray marching: negative inside, positive outside, in metres.

Points are three FP32 arrays of one shape; every function returns an array of that shape. Smooth joins follow the
polynomial form of Inigo Quilez's articles on distance functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Points:
    """Points or directions: x to the right of the picture, y up, z towards the camera."""

    x: Field
    y: Field
    z: Field

    def __add__(self, other: Points) -> Points:
        return Points(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other: Points) -> Points:
        return Points(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, factor: Field | float) -> Points:
        return Points(self.x * factor, self.y * factor, self.z * factor)

    def __getitem__(self, chosen: NDArray[np.generic]) -> Points:
        return Points(self.x[chosen], self.y[chosen], self.z[chosen])

    def dot(self, other: Points) -> Field:
        return np.asarray(self.x * other.x + self.y * other.y + self.z * other.z, dtype=np.float32)

    def unit(self) -> Points:
        length = np.sqrt(self.dot(self)).clip(1e-9)
        return self * np.asarray(1 / length, dtype=np.float32)


def point(x: float, y: float, z: float) -> Points:
    return Points(*(np.array(value, np.float32) for value in (x, y, z)))


def polygon(u: Field, v: Field, corners: Sequence[tuple[float, float]]) -> Field:
    """Distance in a plane to a polygon."""
    nearest = np.full(np.shape(u), np.inf, dtype=np.float32)
    inside = np.zeros(np.shape(u), dtype=bool)
    for (u0, v0), (u1, v1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        du, dv = u1 - u0, v1 - v0
        along = np.clip(((u - u0) * du + (v - v0) * dv) / (du * du + dv * dv), 0, 1)
        nearest = np.minimum(nearest, (u - u0 - along * du) ** 2 + (v - v0 - along * dv) ** 2)
        if dv:
            inside ^= ((v0 > v) != (v1 > v)) & (u < u0 + (v - v0) * (du / dv))
    return np.where(inside, -np.sqrt(nearest), np.sqrt(nearest)).astype(np.float32)


def box(
    p: Points, center: tuple[float, float, float], half: tuple[float, float, float], rounding: float = 0.0
) -> Field:
    x, y, z = (np.abs(a - c) - (h - rounding) for a, c, h in zip((p.x, p.y, p.z), center, half, strict=True))
    outside = np.sqrt(np.maximum(x, 0) ** 2 + np.maximum(y, 0) ** 2 + np.maximum(z, 0) ** 2)
    inside = np.minimum(np.maximum(np.maximum(x, y), z), 0)
    return np.asarray(outside + inside - rounding, dtype=np.float32)


def ellipsoid(p: Points, center: tuple[float, float, float], radii: tuple[float, float, float]) -> Field:
    x, y, z = ((a - c) / r for a, c, r in zip((p.x, p.y, p.z), center, radii, strict=True))
    return np.asarray((np.sqrt(x * x + y * y + z * z) - 1) * min(radii), dtype=np.float32)


def capsule(p: Points, start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Field:
    axis = np.array(end, dtype=np.float32) - np.array(start, dtype=np.float32)
    moved = p - point(*start)
    along = np.clip((moved.x * axis[0] + moved.y * axis[1] + moved.z * axis[2]) / float(axis @ axis), 0, 1)
    x, y, z = moved.x - along * axis[0], moved.y - along * axis[1], moved.z - along * axis[2]
    return np.asarray(np.sqrt(x * x + y * y + z * z) - radius, dtype=np.float32)


def union(a: Field, b: Field, blend: float) -> Field:
    """The smaller distance; the seam is a fillet of about `blend`."""
    share = np.maximum(blend - np.abs(a - b), 0) / blend
    return np.asarray(np.minimum(a, b) - share * share * (blend / 4), dtype=np.float32)


def common(a: Field, b: Field, blend: float) -> Field:
    """The larger distance; the edge is rounded by about `blend`."""
    return -union(-a, -b, blend)
