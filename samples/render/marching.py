"""Ray marching: what a ray meets in a distance field, and how light reaches the surfaces (after Inigo Quilez)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from samples.render.solids import Field, Points, point

STEPS: Final = 110
LONGEST: Final = 14.0
"""How far a ray is followed."""

Solids = Callable[[Points], Field]
"""The distance to the nearest solid, for any points."""


def march(solids: Solids, origin: Points, ray: Points, low: Points, high: Points) -> tuple[Field, NDArray[np.bool_]]:
    """How far each ray gets until it meets a solid, and whether it does; all solids lie in the box `low` to `high`."""
    travelled = np.full(ray.x.shape, 2.5, dtype=np.float32)
    hit = np.zeros(ray.x.shape, dtype=bool)
    active = np.flatnonzero(_passes(origin, ray, low, high))
    for _ in range(STEPS):
        if not len(active):
            break
        gap = solids(origin + ray[active] * travelled[active])
        touching = gap < 0.0012
        hit[active[touching]] = True
        travelled[active] += np.where(touching, 0, gap * 0.8)
        active = active[~touching & (travelled[active] < LONGEST)]
    return travelled, hit


def _passes(origin: Points, ray: Points, low: Points, high: Points) -> NDArray[np.bool_]:
    """Whether a ray passes the box."""
    enter = np.full(ray.x.shape, -np.inf, dtype=np.float32)
    leave = np.full(ray.x.shape, np.inf, dtype=np.float32)
    for start, way, a, b in (
        (origin.x, ray.x, low.x, high.x),
        (origin.y, ray.y, low.y, high.y),
        (origin.z, ray.z, low.z, high.z),
    ):
        slow = np.where(np.abs(way) < 1e-6, 1e-6, way)
        one, other = (a - start) / slow, (b - start) / slow
        enter, leave = np.maximum(enter, np.minimum(one, other)), np.minimum(leave, np.maximum(one, other))
    return (leave > np.maximum(enter, 0)).astype(bool)


def normals(solids: Solids, p: Points) -> Points:
    """The direction in which the distance grows, by four samples on a tetrahedron."""
    total = Points(np.zeros_like(p.x), np.zeros_like(p.x), np.zeros_like(p.x))
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        way = point(*corner)
        total = total + Points(*(np.full_like(p.x, float(a)) for a in (way.x, way.y, way.z))) * solids(p + way * 0.003)
    return total.unit()


def sunlit(solids: Solids, p: Points, sun: Points, sharpness: float = 14.0) -> Field:
    """How much of the sun is seen from a point, 0 to 1, with a soft edge."""
    seen = np.ones(p.x.shape, dtype=np.float32)
    travelled = np.full(p.x.shape, 0.03, dtype=np.float32)
    active = np.arange(p.x.size)
    for _ in range(40):
        gap = solids(p[active] + sun * travelled[active])
        seen[active] = np.minimum(seen[active], np.clip(sharpness * gap / travelled[active], 0, 1))
        travelled[active] += np.clip(gap, 0.02, 0.35)
        active = active[(seen[active] > 0.01) & (travelled[active] < 4.5)]
        if not len(active):
            break
    return np.asarray(seen * seen * (3 - 2 * seen), dtype=np.float32)


def openness(solids: Solids, p: Points, normal: Points, reach: float) -> Field:
    """How much of the sky a point sees, 0 to 1: distances found along the normal, against those expected (ambient
    occlusion)."""
    hidden = np.zeros(p.x.shape, dtype=np.float32)
    for step in range(1, 6):
        away = reach * step / 5
        hidden += np.clip(away - solids(p + normal * away), 0, None) / away * np.float32(0.7**step)
    return np.asarray(np.clip(1 - 0.62 * hidden, 0, 1), dtype=np.float32)
