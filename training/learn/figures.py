"""What a reader gets right, and how well its scores are calibrated: the figures by which weights are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from platelane.pb.v1 import domain_pb2
from platelane.regions import country

OWN: Final = "your plates, held back"
DRAWN: Final = "drawn plates of all regions"
MOST_LOST: Final = 0.01
"""What other plates may lose: in exact texts, in regions, or in calibration error."""
ONE: Final = 1.5
"""In a small set, this many plates or answers may be lost, because it may be chance."""
BINS: Final = 5
"""Number of groups of equal size, by score, in which the mean score is compared with the share that is right."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The label of a plate; `region` is empty if unknown."""

    text: str
    region: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of the plates, 0 to 1. `regions` is NaN if none is labelled; `off` is the expected calibration error: the
    mean distance between scores and the share that is right."""

    plates: int
    texts: float
    regions: float
    off: float
    intruding: int
    """Plates of other countries that are taken for one of the `own`."""

    @classmethod
    def of(cls, truths: Sequence[Truth], read: Sequence[domain_pb2.Plate], own: frozenset[str]) -> Figures:
        """`own`: the countries being learnt."""
        right = np.array([plate.text == truth.text for truth, plate in zip(truths, read, strict=True)], np.float64)
        scores = np.array([plate.text_score for plate in read], np.float64)
        pairs = [(truth.region, region_of(plate)) for truth, plate in zip(truths, read, strict=True) if truth.region]
        return cls(
            len(truths),
            float(right.mean()) if len(right) else float("nan"),
            float(np.mean([is_in(found, label) for label, found in pairs])) if pairs else float("nan"),
            _off(scores, right),
            sum(country(found) in own and country(label) not in own for label, found in pairs),
        )


def allowed_loss(count: int) -> float:
    """The share of `count` plates or answers that may be lost."""
    return max(MOST_LOST, ONE / max(1, count))


def region_of(plate: domain_pb2.Plate) -> str:
    return plate.regions[0].value if plate.regions else ""


def is_in(found: str, label: str) -> bool:
    """Whether the answered region is the labelled one, or a part of it."""
    return found == label or found.startswith(f"{label}-")


def _off(
    scores: np.ndarray[tuple[int], np.dtype[np.float64]], right: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    order = np.argsort(scores, kind="stable")
    groups = [group for group in np.array_split(order, BINS) if len(group)]
    if not groups:
        return float("nan")
    return float(sum(abs(scores[group].mean() - right[group].mean()) * len(group) for group in groups) / len(order))
