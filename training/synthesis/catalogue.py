"""All plate designs, and the random choice of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.synthesis import designs_america as america
from training.synthesis import designs_europe as europe
from training.synthesis import designs_world as world
from training.synthesis.designs import Design

SHARES: Final = {
    "us": 0.22,
    "stacked": 0.11,
    "pictured": 0.06,
    "ca": 0.03,
    "mx": 0.03,
    "br": 0.05,
    "ar": 0.05,
    "south": 0.03,
    "europe": 0.13,
    "ua": 0.03,
    "in": 0.07,
    "vn": 0.02,
    "om": 0.03,
    "gulf": 0.03,
    "au": 0.03,
    "foreign": 0.02,
    "others": 0.06,
}
"""How often each group of regions is drawn: more often if there are few real pictures."""


def _of(designs: Iterable[Design], region: str) -> tuple[Design, ...]:
    return tuple(design for design in designs if design.region == region)


_GULF: Final = frozenset({"sa", "kw", "qa", "bh"})
_OWN: Final = frozenset({"om", "vn", *_GULF})
"""Regions of Asia with their own group."""

_GROUPS: Final = {
    "us": (*america.STATES, *america.VANITY),
    "stacked": america.STACKED,
    "pictured": america.PICTURED,
    "ca": america.PROVINCES,
    "mx": america.CENTRAL,
    "br": america.BRAZIL,
    "ar": _of(america.SOUTH, "ar"),
    "south": tuple(design for design in america.SOUTH if design.region not in ("br", "ar")),
    "europe": tuple(design for design in (*europe.UNION, *europe.OTHERS) if design.region != "ua"),
    "ua": _of(europe.OTHERS, "ua"),
    "in": world.INDIA,
    "vn": _of(world.ASIA, "vn"),
    "om": _of(world.ASIA, "om"),
    "gulf": tuple(design for design in world.ASIA if design.region in _GULF),
    "au": world.PACIFIC,
    "foreign": world.FOREIGN,
    "others": (*(design for design in world.ASIA if design.region not in _OWN), *world.AFRICA),
}

DESIGNS: Final[tuple[Design, ...]] = tuple(design for group in _GROUPS.values() for design in group)


def _chances() -> NDArray[np.float64]:
    """The probability of each design: by group, then by the root of the region's share, then by the design's share."""
    chances: list[float] = []
    for name, group in _GROUPS.items():
        shares: dict[str, float] = defaultdict(float)
        for design in group:
            shares[design.region] += design.share
        raw = [design.share / shares[design.region] ** 0.5 for design in group]
        chances += [SHARES[name] * value / sum(raw) for value in raw]
    return np.array(chances) / sum(chances)


_CHANCES: Final = _chances()


def choose(random: np.random.Generator) -> Design:
    """A random design, weighted by `SHARES`."""
    return DESIGNS[int(random.choice(len(DESIGNS), p=_CHANCES))]
