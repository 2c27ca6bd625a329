"""What a plate's text says about its region, and its likely regions about its text: Bayes' rule over both.

The reader's region head has seen the plate. The text adds how much more often plates of a region fit its templates
than others do (`template_fit.csv`, measured by `training.calibration.template_fit`). Where a region draws O like 0 and
I like 1, the reader cannot see which it is: it says how likely the glyph is, and the templates which of the two.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from platelane.regions import Region, country, glyphs, table

STRONGEST: Final = 10.0
"""The most by which one text may speak for or against a region; head and text are not independent."""
_USUAL: Final = 0.9
_USUAL_PLATES: Final = 8
"""Before any plate of a country is seen: as if this many had been, of which that share fits. Before any of a part of it
is: as many of which the country's share fits, because owners' choices, not the parts, make plates that do not."""
_UNLIKELY: Final = 1e-3
"""Regions below this probability stay where the head puts them."""
HINT: Final = 50.0
"""How much likelier a plate of a country that the caller names is than another, before it is seen."""
_WHOLE: Final = 0.2
"""Share of a country's probability that its named parts have evenly, whatever the head says of each."""
SPLIT: Final = 0.25
"""What is left of the reader's word for one of two glyphs that are drawn alike: the exponent of its probability."""


@dataclass(frozen=True, slots=True)
class TextDistribution:
    """Texts of a plate, how probable each is, and how probable all others are together; up to a common factor."""

    texts: tuple[str, ...]
    probabilities: NDArray[np.float64]
    unlisted: float


@dataclass(frozen=True, slots=True)
class Templates:
    """Of each region: the odds factor of a text that fits its templates, and of one that does not, 1 where it has
    none; and whether it draws O like 0 and I like 1.

    The first `predicted` regions are those of the region head, in its order.
    """

    regions: tuple[Region, ...]
    fitting: NDArray[np.float64]
    other: NDArray[np.float64]
    alike: NDArray[np.bool_]
    predicted: int

    @property
    def codes(self) -> tuple[str, ...]:
        """Those that the region head tells apart."""
        return tuple(region.code for region in self.regions[: self.predicted])

    def factors(self, texts: Sequence[str], chances: NDArray[np.float64]) -> NDArray[np.float64]:
        """(len(texts), R): by how much each text speaks for each region, where its chance (R,) is worth a look."""
        factors = np.ones((len(texts), len(self.regions)))
        for i in np.flatnonzero(chances >= _UNLIKELY):
            fits = [self.regions[i].fits(text) for text in texts]
            factors[:, i] = np.where(fits, self.fitting[i], self.other[i])
        return factors

    def whole(self, head: NDArray[np.floating]) -> NDArray[np.float64]:
        """The head's distribution (predicted,) over all regions, (R,)."""
        return np.concatenate([head, np.zeros(len(self.regions) - self.predicted)]).astype(np.float64)

    def hinted(self, head: NDArray[np.float64], named: Collection[str]) -> tuple[NDArray[np.float64], float]:
        """A distribution over the regions that a caller names, and how much likelier than no hint it is that the plate
        is one of theirs. The head's evidence for their countries counts; for a part of one, less.

        Args:
            head: (R,).
        """
        shares: dict[str, float] = defaultdict(float)
        members: dict[str, list[int]] = defaultdict(list)
        for i, region in enumerate(self.regions):
            shares[region.country] += float(head[i])
            if region.code in named:
                members[region.country].append(i)
        chances = np.zeros(len(self.regions))
        for place, parts in members.items():
            chances[parts] = (1 - _WHOLE) * head[parts] + _WHOLE * max(shares[place], _UNLIKELY) / len(parts)
        if not members:
            return chances, 0.0
        return chances / chances.sum(), HINT * sum(max(shares[place], _UNLIKELY) for place in members)


def templates(codes: tuple[str, ...], file: Path) -> Templates:
    """Of the regions with these codes, in their order, and of all others with templates, by the file of how well plates
    fit them."""
    with file.open(newline="", encoding="utf-8") as rows:
        measured = {row["code"]: row for row in csv.DictReader(rows)}
    every = (*codes, *(code for code in measured if code not in codes))
    fitting, other = np.ones(len(every)), np.ones(len(every))
    seen: Counter[str] = Counter()
    fit: Counter[str] = Counter()
    for code, row in measured.items():
        for place in {code, country(code)}:
            seen[place] += int(row["plates"])
            fit[place] += int(row["fitting"])

    def rate(place: str, usual: float) -> float:
        return (fit[place] + usual * _USUAL_PLATES) / (seen[place] + _USUAL_PLATES)

    for i, code in enumerate(every):
        if code in measured:
            row = measured[code]
            whole = country(code)
            hits = rate(whole, _USUAL)
            if code != whole:
                hits = rate(code, hits)
            chance = float(row["others"])
            fitting[i], other[i] = hits / chance, (1 - hits) / (1 - chance)
    regions = tuple(table().get(code, Region(code, code)) for code in every)
    return Templates(
        regions,
        np.clip(fitting, 1.0, STRONGEST),
        np.clip(other, 1 / STRONGEST, 1.0),
        np.array([country(code) in glyphs.ALIKE for code in every], dtype=np.bool_),
        len(codes),
    )


def combine(
    reading: TextDistribution, head: NDArray[np.floating], weights: Templates, named: Collection[str] = ()
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Texts' and regions' probabilities, each in the light of the other.

    Texts that are not listed speak for no region. With `named` regions there are two explanations, that the plate is
    one of theirs and that it is any: the caller's word counts for a text as far as the regions that it fits are likely.

    Args:
        head: (predicted,), the region head's distribution.

    Returns:
        (len(texts),) and (predicted,); the first sums to 1 at most, the second to 1.
    """
    whole = weights.whole(head)
    chances = whole
    if named:
        hinted, odds = weights.hinted(whole, named)
        chances = (odds * hinted + whole) / (odds + 1)
    seen = np.where(weights.alike, _pooled(reading)[:, None], reading.probabilities[:, None])
    joint = weights.factors(reading.texts, chances) * seen * chances
    total = float(joint.sum()) + reading.unlisted
    places = ((joint.sum(axis=0) + reading.unlisted * chances) / total)[: weights.predicted]
    return joint.sum(axis=1) / total, places / max(float(places.sum()), 1e-12)


def _pooled(reading: TextDistribution) -> NDArray[np.float64]:
    """The texts' probabilities where O is drawn like 0 and I like 1: texts of the same glyphs share what they have
    together, by the reader's word for each as far as that counts."""
    members: dict[str, list[int]] = defaultdict(list)
    for i, text in enumerate(reading.texts):
        members[glyphs.folded(text)].append(i)
    pooled = reading.probabilities.copy()
    for alike in members.values():
        together = float(pooled[alike].sum())
        if len(alike) > 1 and together > 0:
            shares = pooled[alike] ** SPLIT
            pooled[alike] = together * shares / shares.sum()
    return pooled
