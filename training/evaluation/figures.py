"""Figures of matched photographs and of texts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from rapidfuzz.distance import Levenshtein

from aggregator.direction import TOLERANCE
from platelane.regions import country
from platelane.vision.geometry import Box
from training.evaluation.matching import FoundPlate, Matched
from training.reader.text import alike

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """A labelled text and its candidates, best first; none if the plate was not found."""

    text: str
    candidates: tuple[str, ...]

    @property
    def best(self) -> str:
        return self.candidates[0] if self.candidates else ""


@dataclass(frozen=True, slots=True)
class ReadingFigures:
    """Shares of `count` plates: exact match, the same with O = 0 and I = 1, exact among the first three; and CER."""

    count: int
    exact: float
    alike: float
    top3: float
    cer: float


def reading_figures(readings: Sequence[Reading]) -> ReadingFigures:
    """CER: sum of edit distances by sum of labelled characters; a plate that was not found counts as an empty text."""
    count = max(1, len(readings))
    return ReadingFigures(
        len(readings),
        sum(reading.best == reading.text for reading in readings) / count,
        sum(alike(reading.best, reading.text) for reading in readings) / count,
        sum(reading.text in reading.candidates[:3] for reading in readings) / count,
        sum(Levenshtein.distance(reading.best, reading.text) for reading in readings)
        / max(1, sum(len(reading.text) for reading in readings)),
    )


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """`precision` is None if the labels are incomplete, so that false detections cannot be counted."""

    count: int
    recall: float
    precision: float | None


def plate_detection(photos: Iterable[Matched], least_score: float = 0.0) -> DetectionFigures:
    """Figures of completely labelled photographs; plates whose text has a lower score count as not found."""
    judged = [matched for matched in photos if matched.photo.all_plates]
    pairs = [found for matched in judged for _, found in matched.plates]
    hits = sum(found is not None and found.score >= least_score for found in pairs)
    false = sum(found.score >= least_score for matched in judged for found in matched.extra_plates)
    return _detection(hits, len(pairs), false)


@dataclass(frozen=True, slots=True)
class PlateFigures:
    """Figures of `count` labelled plates: the shares found, by the least IoU that counts as found; of the `texts` clear
    ones with a known text, the shares read exactly, and with O = 0 and I = 1; of the `regions` with a known region, the
    share with the right country. A plate is judged by the detection with the highest IoU, at least `TOUCHED`."""

    count: int
    found: dict[float, float]
    texts: int
    exact: float
    alike: float
    regions: int
    country: float
    false: int | None
    """Detections that touch no label, in completely labelled photographs; None if there are no such photographs."""


OVERLAPS: Final = (0.3, 0.5, 0.7)
TOUCHED: Final = 0.3
"""Least IoU of a detection that belongs to a labelled plate, even if its box is wrong."""


def plate_figures(photos: Iterable[Matched], least_score: float) -> PlateFigures:
    """Figures of plates whose text has at least that score; others count as not found."""
    overlaps: list[float] = []
    readings: list[Reading] = []
    regions: list[bool] = []
    false: int | None = None
    for matched in photos:
        finds = [found for _, found in matched.plates if found is not None] + list(matched.extra_plates)
        finds = [found for found in finds if found.score >= least_score]
        for label, _ in matched.plates:
            best = max(finds, key=lambda found: found.box.iou(label.box), default=None)
            overlaps.append(best.box.iou(label.box) if best else 0.0)
            touched = best if best is not None and overlaps[-1] >= TOUCHED else None
            if label.text and label.legibility == "clear":
                readings.append(Reading(label.text, touched.texts if touched else ()))
            if label.region not in ("", "unknown"):
                regions.append(touched is not None and country(touched.regions[0]) == country(label.region))
        if matched.photo.all_plates:
            false = (false or 0) + sum(
                all(found.box.iou(label.box) < TOUCHED for label, _ in matched.plates) for found in finds
            )
    read = reading_figures(readings)
    count = max(1, len(overlaps))
    return PlateFigures(
        count=len(overlaps),
        found={least: sum(overlap >= least for overlap in overlaps) / count for least in OVERLAPS},
        texts=read.count,
        exact=read.exact,
        alike=read.alike,
        regions=len(regions),
        country=sum(regions) / max(1, len(regions)),
        false=false,
    )


def vehicle_detection(photos: Iterable[Matched], min_side: float, kind: str | None = None) -> DetectionFigures:
    """Figures of vehicles and detections whose longer side has at least `min_side` pixels; with `kind`, only recall.

    A detection of that size may match a vehicle that is labelled a little smaller.
    """

    def large(box: Box) -> bool:
        return max(box.width, box.height) >= min_side

    photos = list(photos)
    pairs = [
        found
        for matched in photos
        for label, found in matched.vehicles
        if large(label.box) and kind in (None, label.kind)
    ]
    hits = sum(found is not None for found in pairs)
    if kind is not None:
        return _detection(hits, len(pairs), None)
    judged = [matched for matched in photos if matched.photo.all_vehicles]
    correct = sum(found is not None and large(found.box) for matched in judged for _, found in matched.vehicles)
    false = sum(large(found.box) for matched in judged for found in matched.extra_vehicles)
    precision = correct / (correct + false) if correct + false else None
    return DetectionFigures(len(pairs), hits / max(1, len(pairs)), precision)


def _detection(hits: int, count: int, false: int | None) -> DetectionFigures:
    precision = None if false is None or hits + false == 0 else hits / (hits + false)
    return DetectionFigures(count, hits / max(1, count), precision)


def grouped(values: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Values by key, the largest group first."""
    groups: dict[str, list[T]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions with a score in [low, high): their number, mean score, and the share that is right."""

    low: float
    high: float
    count: int
    mean: float
    right: float


SCORE_EDGES: Final = (0.0, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
DSCORE_EDGES: Final = (0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


def text_scores(photos: Iterable[Matched]) -> list[tuple[float, bool]]:
    """For each plate that was found and has a known text: its score, and whether it was read exactly."""
    pairs = [pair for matched in photos for pair in matched.plates]
    return [(found.score, found.texts[0] == label.text) for label, found in pairs if found and label.text]


def plate_finds(photos: Iterable[Matched]) -> list[tuple[FoundPlate, bool]]:
    """Each detection in completely labelled photographs, and whether it is a plate."""
    judged = [matched for matched in photos if matched.photo.all_plates]
    plates = [(found, True) for matched in judged for _, found in matched.plates if found]
    return plates + [(found, False) for matched in judged for found in matched.extra_plates]


def plate_scores(photos: Iterable[Matched]) -> list[tuple[float, bool]]:
    """The dscores of `plate_finds`."""
    return [(found.dscore, hit) for found, hit in plate_finds(photos)]


def reliability(scored: Iterable[tuple[float, bool]], edges: Sequence[float]) -> list[Bin]:
    """A reliability table: if mean and share agree, the score is a probability (Guo et al., arXiv 1706.04599)."""
    pairs = list(scored)
    bins: list[Bin] = []
    for low, high in itertools.pairwise(edges):
        inside = [(score, right) for score, right in pairs if low <= score < high or score == high == edges[-1]]
        if inside:
            mean = sum(score for score, _ in inside) / len(inside)
            bins.append(Bin(low, high, len(inside), mean, sum(right for _, right in inside) / len(inside)))
    return bins


def accuracy(pairs: Iterable[tuple[Hashable, Sequence[Hashable]]], top: int = 1) -> tuple[int, float]:
    """The number of labels, and the share of them among the first `top` predictions."""
    judged = [label in predicted[:top] for label, predicted in pairs]
    return len(judged), sum(judged) / max(1, len(judged))


SIDEWAYS: Final = 12.0
"""Degrees."""


@dataclass(frozen=True, slots=True)
class DirectionFigures:
    """Directions compared with those judged by eye.

    Of `count` vehicles, `given` have a direction in the answer. For these: the mean error in degrees; the share within
    `TOLERANCE`, and the mean score, which should be about equal. For the `turned` ones, judged to head sideways by more
    than `SIDEWAYS`: the share whose answer is on the same side.
    """

    count: int
    given: int
    error: float
    right: float
    score: float
    turned: int
    same_side: float


def direction_figures(pairs: Iterable[tuple[float, float | None, float]]) -> DirectionFigures:
    """`pairs`: judged degrees, degrees of the answer (None if it has none), score."""
    pairs = list(pairs)
    given = [(judged, answered, score) for judged, answered, score in pairs if answered is not None]
    errors = [abs(_signed(answered - judged)) for judged, answered, _ in given]
    turned = [(judged, answered) for judged, answered, _ in given if abs(_sideways(judged)) > SIDEWAYS]
    count = max(1, len(given))
    return DirectionFigures(
        len(pairs),
        len(given),
        sum(errors) / count,
        sum(error <= TOLERANCE for error in errors) / count,
        sum(score for _, _, score in given) / count,
        len(turned),
        sum(_sideways(judged) * _sideways(answered) > 0 for judged, answered in turned) / max(1, len(turned)),
    )


def _signed(degrees: float) -> float:
    """The same angle from -180 to 180."""
    return (degrees + 180) % 360 - 180


def _sideways(degrees: float) -> float:
    """By how many degrees it leads to the right of the picture, -90 to 90."""
    return math.degrees(math.asin(math.cos(math.radians(degrees))))
