"""Which vehicle a plate belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from platelane.vision.geometry import Box

_MIN_COVERED: Final = 0.7
"""Share of a plate that has to be inside the vehicle's (slightly grown) box."""


def associate(plates: Sequence[Box], vehicles: Sequence[Box]) -> list[int | None]:
    """Index of each plate's vehicle, or None.

    If several overlapping vehicles contain a plate, it belongs to the one on which it is placed most plausibly: in the
    middle of the width, low, and neither tiny nor as wide as the vehicle. Pairs are made best first; a vehicle gets a
    second plate only if that plate fits no other vehicle.
    """
    pairs = [
        (fit, p, v)
        for p, plate in enumerate(plates)
        for v, vehicle in enumerate(vehicles)
        if (fit := _fit(plate, vehicle)) is not None
    ]
    pairs.sort()
    owner: dict[int, int] = {}
    taken: set[int] = set()
    for _, p, v in pairs:
        if p not in owner and v not in taken:
            owner[p] = v
            taken.add(v)
    for _, p, v in pairs:
        owner.setdefault(p, v)
    return [owner.get(p) for p in range(len(plates))]


def _fit(plate: Box, vehicle: Box) -> float | None:
    """How implausible the plate's place on the vehicle is, 0 is perfect; None if it is outside or far too wide."""
    area = vehicle.grown(0.05)
    if plate.area <= 0 or plate.intersection(area) < _MIN_COVERED * plate.area:
        return None
    share = plate.width / max(vehicle.width, 1e-6)
    if share > 0.9:
        return None
    x, y = plate.center
    center_x, center_y = vehicle.center
    sideways = abs(x - center_x) / max(vehicle.width, 1e-6)
    high = max(0.0, (center_y - y) / max(vehicle.height, 1e-6))
    small = max(0.0, 0.12 - share) * 4
    return sideways + 2 * high + small
