"""Smooth random textures that only depend on position and seed, so scenes are reproducible."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samples.render.solids import Field


def value_noise(x: NDArray[Any], y: NDArray[Any], seed: int) -> Field:
    """Random values at integer coordinates, smoothly interpolated; 0 to 1."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = x - column, y - row
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    upper = _lattice(column, row, seed) * (1 - u) + _lattice(column + 1, row, seed) * u
    lower = _lattice(column, row + 1, seed) * (1 - u) + _lattice(column + 1, row + 1, seed) * u
    return np.asarray(upper * (1 - v) + lower * v, dtype=np.float32)


def clouds(x: NDArray[Any], y: NDArray[Any], seed: int, octaves: int = 5) -> Field:
    """Value noise of increasing detail (fractional Brownian motion); 0 to 1."""
    total, weight, scale = np.zeros(np.broadcast(x, y).shape, dtype=np.float32), 0.0, 1.0
    for octave in range(octaves):
        total = total + value_noise(x * scale, y * scale, seed + octave) * np.float32(0.5**octave)
        weight, scale = weight + 0.5**octave, scale * 2.03
    return np.asarray(total / np.float32(weight), dtype=np.float32)


def _lattice(column: NDArray[np.int64], row: NDArray[np.int64], seed: int) -> Field:
    """An integer hash of the lattice point, 0 to 1."""
    with np.errstate(over="ignore"):
        mixed = (column * 374761393 + row * 668265263 + seed * 1442695041) & 0xFFFFFFFF
        mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
        mixed ^= mixed >> 16
    return np.asarray((mixed & 0xFFFFFF) / 0xFFFFFF, dtype=np.float32)
