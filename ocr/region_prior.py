"""Combines the evidence of a plate's text for its region with that of the region for the text, by Bayes' rule.

The reader's region head judges the plate's appearance. The text adds how much more often plates of a region fit its
templates than others do (`template_fit.csv`, measured by `training.calibration.template_fit`). If a region draws O like
0 and I like 1, the reader cannot tell them apart: it says how likely the glyph is, and the templates decide which of
the two it is.
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
"""Largest factor by which a text may count for or against a region; head and text are not independent."""
_USUAL: Final = 0.9
_USUAL_PLATES: Final = 8
"""Prior of a country: as if this many of its plates had been seen, of which `_USUAL` fit. Prior of a part of a country:
as many, of which the country's share fits, because whether plates fit depends on owners' choices rather than on parts.
"""
_UNLIKELY: Final = 1e-3
"""For regions below this probability, the text is not considered."""
HINT: Final = 50.0
"""Prior odds that a plate is from a country that the caller names."""
_WHOLE: Final = 0.2
"""Share of a country's probability that is split evenly among its named parts; the rest follows the head."""
SPLIT: Final = 0.25
"""Weight of the reader's preference between two characters that are drawn alike: the exponent of its probability."""


@dataclass(frozen=True, slots=True)
class TextDistribution:
    """Texts of a plate with their probabilities, and the probability of all other texts; up to a common factor."""

    texts: tuple[str, ...]
    probabilities: NDArray[np.float64]
    unlisted: float


@dataclass(frozen=True, slots=True)
class Templates:
    """For each region: the odds factors of a text that fits its templates (`fitting`) and of one that does not
    (`other`), 1 if it has no templates; and whether it draws O like 0 and I like 1 (`alike`).

    The first `predicted` regions are those of the region head, in its order.
    """

    regions: tuple[Region, ...]
    fitting: NDArray[np.float64]
    other: NDArray[np.float64]
    alike: NDArray[np.bool_]
    predicted: int

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that the region head predicts."""
        return tuple(region.code for region in self.regions[: self.predicted])

    def factors(self, texts: Sequence[str], chances: NDArray[np.float64]) -> NDArray[np.float64]:
        """(len(texts), R): the odds factor of each text for each region; 1 for regions whose chance (R,) is tiny."""
        factors = np.ones((len(texts), len(self.regions)))
        for i in np.flatnonzero(chances >= _UNLIKELY):
            fits = [self.regions[i].fits(text) for text in texts]
            factors[:, i] = np.where(fits, self.fitting[i], self.other[i])
        return factors

    def whole(self, head: NDArray[np.floating]) -> NDArray[np.float64]:
        """The head's distribution (predicted,) extended to all regions, (R,)."""
        return np.concatenate([head, np.zeros(len(self.regions) - self.predicted)]).astype(np.float64)

    def hinted(self, head: NDArray[np.float64], named: Collection[str]) -> tuple[NDArray[np.float64], float]:
        """A distribution over the regions that a caller names, and the odds that the plate is from one of them. The
        head's evidence for their countries counts fully, its evidence for parts of a country less.

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
    """The templates of the regions with these codes, in their order, and of all other regions in the file, which says
    how well plates fit them."""
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
    """The posterior probabilities of texts and of regions.

    Unlisted texts are evidence for no region. With `named` regions there are two hypotheses: that the plate is from one
    of them, and that it is from any region. So a hint favours a text according to how likely the regions it fits are.

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
    """The texts' probabilities if O is drawn like 0 and I like 1: texts of the same glyphs share their total
    probability, in proportion to each one's own probability to the power of `SPLIT`."""
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
