"""What a reader gets right, and how far its scores can be believed: the figures by which weights are chosen."""

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
"""What the guard may lose: in exact texts, in regions, or by which scores may be farther off."""
ONE: Final = 1.5
"""Of a small set one plate, or answer, may be lost: that is no more than chance."""
BINS: Final = 5
"""Groups of equally many plates, by score, in which scores are compared with the share that is right."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a plate is known to say; `region` is empty where it is not known."""

    text: str
    region: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of the plates, 0 to 1; `regions` is NaN where none is labelled, and `off` is how far scores are from the
    share that is right, on average (expected calibration error)."""

    plates: int
    texts: float
    regions: float
    off: float
    intruding: int
    """Plates of other countries that are answered as one of the `own`."""

    @classmethod
    def of(cls, truths: Sequence[Truth], read: Sequence[domain_pb2.Plate], own: frozenset[str]) -> Figures:
        """`own` are countries that are being learnt."""
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


def most_lost(count: int) -> float:
    """The share of so many plates or answers that may be lost."""
    return max(MOST_LOST, ONE / max(1, count))


def region_of(plate: domain_pb2.Plate) -> str:
    return plate.regions[0].value if plate.regions else ""


def is_in(found: str, label: str) -> bool:
    """Whether a region that was answered is the labelled one, or a part of it."""
    return found == label or found.startswith(f"{label}-")


def _off(
    scores: np.ndarray[tuple[int], np.dtype[np.float64]], right: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> float:
    order = np.argsort(scores, kind="stable")
    groups = [group for group in np.array_split(order, BINS) if len(group)]
    if not groups:
        return float("nan")
    return float(sum(abs(scores[group].mean() - right[group].mean()) * len(group) for group in groups) / len(order))
