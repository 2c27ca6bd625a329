"""What a plate's text says about its region, and its likely regions about its text: Bayes' rule over both.

The reader's region head has seen the plate. The text adds how much more often plates of a region fit its templates
than others do (`template_fit.csv`, measured by `training.template_fit`).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from platelane.regions import Region, country, table

FILE: Final = Path(__file__).with_name("template_fit.csv")

STRONGEST: Final = 10.0
"""The most by which one text may speak for or against a region; head and text are not independent."""
_USUAL: Final = 0.9
_USUAL_PLATES: Final = 8
"""Before any plate of a country is seen: as if this many had been, of which that share fits. Before any of a part of it
is: as many of which the country's share fits, because owners' choices, not the parts, make plates that do not."""
_UNLIKELY: Final = 1e-3
"""Regions below this probability stay where the head puts them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Texts of a plate, how probable each is, and how probable all others are together; up to a common factor."""

    texts: tuple[str, ...]
    probabilities: NDArray[np.float64]
    unlisted: float


@dataclass(frozen=True, slots=True)
class Templates:
    """Of each region: the odds factor of a text that fits its templates, and of one that does not; 1 where it has
    none."""

    regions: tuple[Region, ...]
    fitting: NDArray[np.float64]
    other: NDArray[np.float64]

    def factors(self, texts: Sequence[str], head: NDArray[np.float64]) -> NDArray[np.float64]:
        """(len(texts), R): by how much each text speaks for each region."""
        factors = np.ones((len(texts), len(self.regions)))
        for i in np.flatnonzero(head >= _UNLIKELY):
            fits = [self.regions[i].fits(text) for text in texts]
            factors[:, i] = np.where(fits, self.fitting[i], self.other[i])
        return factors


@cache
def templates(codes: tuple[str, ...]) -> Templates:
    """Of the regions with these codes, in their order."""
    with FILE.open(newline="", encoding="utf-8") as file:
        measured = {row["code"]: row for row in csv.DictReader(file)}
    fitting, other = np.ones(len(codes)), np.ones(len(codes))
    seen: Counter[str] = Counter()
    fit: Counter[str] = Counter()
    for code, row in measured.items():
        for place in {code, country(code)}:
            seen[place] += int(row["plates"])
            fit[place] += int(row["fitting"])

    def rate(place: str, usual: float) -> float:
        return (fit[place] + usual * _USUAL_PLATES) / (seen[place] + _USUAL_PLATES)

    for i, code in enumerate(codes):
        if code in measured:
            row = measured[code]
            whole = country(code)
            hits = rate(whole, _USUAL)
            if code != whole:
                hits = rate(code, hits)
            chance = float(row["others"])
            fitting[i], other[i] = hits / chance, (1 - hits) / (1 - chance)
    regions = tuple(table().get(code, Region(code, code)) for code in codes)
    return Templates(regions, np.clip(fitting, 1.0, STRONGEST), np.clip(other, 1 / STRONGEST, 1.0))


def combine(
    reading: Reading, head: NDArray[np.float64], weights: Templates
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Texts' and regions' probabilities, each in the light of the other.

    Texts that are not listed speak for no region.

    Args:
        head: (R,), the region head's distribution.

    Returns:
        (len(texts),) and (R,); the first sums to 1 at most, the second to 1.
    """
    joint = weights.factors(reading.texts, head) * reading.probabilities[:, None] * head
    total = float(joint.sum()) + reading.unlisted
    return joint.sum(axis=1) / total, (joint.sum(axis=0) + reading.unlisted * head) / total
