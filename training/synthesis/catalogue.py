"""All plate designs, and the choice of one at random."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.synthesis import designs_america as america
from training.synthesis import designs_europe as europe
from training.synthesis import designs_world as world
from training.synthesis.designs import Design

SHARES: Final = {
    "us": 0.42,
    "ca": 0.04,
    "mx": 0.03,
    "br": 0.06,
    "ar": 0.07,
    "south": 0.03,
    "europe": 0.18,
    "in": 0.06,
    "au": 0.04,
    "others": 0.07,
}
"""How often a group of regions is drawn: most where real pictures are few."""

_GROUPS: Final = {
    "us": (*america.STATES, *america.VANITY),
    "ca": america.PROVINCES,
    "mx": america.CENTRAL,
    "br": america.BRAZIL,
    "ar": tuple(design for design in america.SOUTH if design.region == "ar"),
    "south": tuple(design for design in america.SOUTH if design.region not in ("br", "ar")),
    "europe": (*europe.UNION, *europe.OTHERS),
    "in": world.INDIA,
    "au": world.PACIFIC,
    "others": (*world.ASIA, *world.AFRICA),
}

DESIGNS: Final[tuple[Design, ...]] = tuple(design for group in _GROUPS.values() for design in group)


def _chances() -> NDArray[np.float64]:
    """The chance of every design: by group, in it by the root of the region's share, in that by the design's share."""
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
    """A design, drawn by `SHARES`."""
    return DESIGNS[int(random.choice(len(DESIGNS), p=_CHANCES))]
