"""Figures over matched photographs and over texts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from rapidfuzz.distance import Levenshtein

from training.evaluation.matching import Matched

T = TypeVar("T")

_ALIKE: Final = str.maketrans("oi", "01")


@dataclass(frozen=True, slots=True)
class Reading:
    """A labelled text beside the candidates for it, best first (none: the plate was not found)."""

    text: str
    candidates: tuple[str, ...]

    @property
    def best(self) -> str:
        return self.candidates[0] if self.candidates else ""


@dataclass(frozen=True, slots=True)
class ReadingFigures:
    """Shares of `count` plates: exact match, the same with O = 0 and I = 1, exact among the first three; CER."""

    count: int
    exact: float
    alike: float
    top3: float
    cer: float


def reading_figures(readings: Sequence[Reading]) -> ReadingFigures:
    """CER: edit distance summed, over labelled characters summed; a plate that was not found loses all of them."""
    count = max(1, len(readings))
    return ReadingFigures(
        len(readings),
        sum(reading.best == reading.text for reading in readings) / count,
        sum(reading.best.translate(_ALIKE) == reading.text.translate(_ALIKE) for reading in readings) / count,
        sum(reading.text in reading.candidates[:3] for reading in readings) / count,
        sum(Levenshtein.distance(reading.best, reading.text) for reading in readings)
        / max(1, sum(len(reading.text) for reading in readings)),
    )


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """`precision` is None where false finds cannot be told, for want of exhaustive labels."""

    count: int
    recall: float
    precision: float | None


def plate_detection(photos: Iterable[Matched]) -> DetectionFigures:
    """Over photographs in which every plate is labelled."""
    judged = [matched for matched in photos if matched.photo.all_plates]
    pairs = [found for matched in judged for _, found in matched.plates]
    return _detection(sum(found is not None for found in pairs), len(pairs), sum(len(m.extra_plates) for m in judged))


def vehicle_detection(photos: Iterable[Matched], min_side: float, kind: str | None = None) -> DetectionFigures:
    """Vehicles whose longer side is at least `min_side` pixels; of one kind: recall only."""
    photos = list(photos)
    pairs = [
        found
        for matched in photos
        for label, found in matched.vehicles
        if max(label.box.width, label.box.height) >= min_side and kind in (None, label.kind)
    ]
    hits = sum(found is not None for found in pairs)
    if kind is not None:
        return _detection(hits, len(pairs), None)
    judged = [matched for matched in photos if matched.photo.all_vehicles]
    correct = sum(found is not None for matched in judged for _, found in matched.vehicles)
    false = sum(len(matched.extra_vehicles) for matched in judged)
    precision = correct / (correct + false) if correct + false else None
    return DetectionFigures(len(pairs), hits / max(1, len(pairs)), precision)


def _detection(hits: int, count: int, false: int | None) -> DetectionFigures:
    precision = None if false is None or hits + false == 0 else hits / (hits + false)
    return DetectionFigures(count, hits / max(1, count), precision)


def grouped(values: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Largest group first."""
    groups: dict[str, list[T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions whose score lies in [low, high): how many, their mean score, and the share that was right."""

    low: float
    high: float
    count: int
    mean: float
    right: float


def reliability(scored: Iterable[tuple[float, bool]], edges: Sequence[float]) -> list[Bin]:
    """A reliability table: where mean and share agree, the score is a probability (Guo et al., arXiv 1706.04599)."""
    pairs = list(scored)
    bins: list[Bin] = []
    for low, high in itertools.pairwise(edges):
        inside = [(score, right) for score, right in pairs if low <= score < high or score == high == edges[-1]]
        if inside:
            mean = sum(score for score, _ in inside) / len(inside)
            bins.append(Bin(low, high, len(inside), mean, sum(right for _, right in inside) / len(inside)))
    return bins


def accuracy(pairs: Iterable[tuple[Hashable, Sequence[Hashable]]], top: int = 1) -> tuple[int, float]:
    """How many labels there are, and the share that is among the first `top` predictions."""
    judged = [label in predicted[:top] for label, predicted in pairs]
    return len(judged), sum(judged) / max(1, len(judged))
