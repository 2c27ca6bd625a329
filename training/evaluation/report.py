"""The measured figures as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeGuard

from benchmarks.results import table
from platelane.regions import country
from platelane.reporting import THRESHOLD_DETECTION, THRESHOLD_TEXT
from training.data.areas import area
from training.data.dataset import VEHICLE_CLASSES
from training.evaluation import figures
from training.evaluation.figures import Reading
from training.evaluation.given_crops import ReadCrop
from training.evaluation.labels import PlateLabel
from training.evaluation.matching import FoundPlate, Matched
from training.evaluation.tables import accuracy_row, bin_rows, percent

MIN_SIDE: Final = 48
MIN_GROUP: Final = 5

Pair = tuple[str, PlateLabel, FoundPlate | None]
"""Set, label, and the plate in the answer."""


def end_to_end(photos: Sequence[Matched]) -> str:
    """Detection and reading through the API."""
    vehicles = figures.vehicle_detection(photos, MIN_SIDE)
    detection = [
        _plates_row("plates", photos),
        _vehicles_row(f"vehicles over {MIN_SIDE} px", vehicles),
        *(_vehicles_row(f"… {kind}", figures.vehicle_detection(photos, MIN_SIDE, kind)) for kind in VEHICLE_CLASSES),
        *(
            _plates_row(f"plates in {name}", group)
            for name, group in figures.grouped(photos, lambda matched: matched.photo.set).items()
            if figures.plate_detection(group).count
        ),
    ]
    text_scores, plate_scores = figures.text_scores(photos), figures.plate_scores(photos)
    pairs = [(matched.photo.set, *pair) for matched in photos for pair in matched.plates]
    rows = [*_reading_rows(_read(pairs)), _reading_row("hard to read, not among these", _read(pairs, "hard"))]
    return "\n\n".join(
        [
            "### Detection, through the API, IoU 0.5",
            table(_DETECTION_HEADER, detection),
            f"Default: with the API's own thresholds (`threshold_d` {THRESHOLD_DETECTION}, `threshold_o` "
            f"{THRESHOLD_TEXT}), which leave out illegible plates; the other columns: `threshold_o` 0. If a picture's "
            "vehicles are not all labelled, detections without a label do not count as false. "
            f"“Over {MIN_SIDE} px” refers to the longer side.",
            "### Reading, through the API",
            table(_READING_HEADER, rows),
            "Strict exact match; “O = 0, I = 1” counts these pairs as equal. A plate that is not found, or whose score "
            f"is under `threshold_o` {THRESHOLD_TEXT}, counts as wrong.",
            "### What the scores mean",
            "`score` is calibrated on crops that no choice was based on (below), `dscore` on these photographs "
            "(`training.calibration.score_fit`); expect both to be somewhat less accurate on other photographs.",
            table(["`score`", "plates", "mean score", "read exactly"], bin_rows(text_scores, figures.SCORE_EDGES)),
            table(["`dscore`", "finds", "mean dscore", "are plates"], bin_rows(plate_scores, figures.DSCORE_EDGES)),
        ]
    )


def by_set(title: str, photos: Sequence[Matched]) -> str:
    """One row per set: plates found and read, and vehicles found."""
    groups = figures.grouped(photos, lambda matched: matched.photo.set)
    plates = [(name, figures.plate_figures(group, THRESHOLD_TEXT)) for name, group in groups.items()]
    vehicles = [(name, figures.vehicle_detection(group, MIN_SIDE)) for name, group in groups.items()]
    return "\n\n".join(
        [
            f"### {title}",
            table(_SET_HEADER, [_set_row(name, found) for name, found in plates if found.count]),
            "With the API's own thresholds. A plate counts as read if the detection that overlaps it most (IoU 0.3 or "
            "more) is read; false detections touch no labelled plate.",
            table(
                (f"vehicles over {MIN_SIDE} px", "labelled", "recall", "precision"),
                [_vehicles_row(name, found)[:4] for name, found in vehicles if found.count],
            ),
        ]
    )


def fast_mode(photos: Sequence[Matched]) -> str:
    """The same in fast mode."""
    detection = [
        _plates_row("plates", photos),
        _vehicles_row(f"vehicles over {MIN_SIDE} px", figures.vehicle_detection(photos, MIN_SIDE)),
    ]
    pairs = [(matched.photo.set, *pair) for matched in photos for pair in matched.plates]
    return "\n\n".join(
        [
            '### The same with `"mode": "fast"`',
            table(_DETECTION_HEADER, detection),
            table(_READING_HEADER, _reading_rows(_read(pairs))[:1]),
        ]
    )


def plate_crops(crops: Sequence[ReadCrop]) -> str:
    """The reader alone, on given crops."""
    plates = [
        Labelled(crop.set, crop.region, Reading(crop.text, tuple(entry.value for entry in crop.plate.candidates)))
        for crop in crops
        if crop.text and crop.legibility == "clear"
    ]
    regions = region_answers(crops)
    states = [(label, found) for label, found in regions if label.startswith("us-")]
    region_rows = [
        accuracy_row(name, pairs)
        for name, pairs in (("country", country_answers(crops)), ("US state", states), ("exact code", regions))
    ]
    return "\n\n".join(
        [
            "### Reading of given crops",
            table(_READING_HEADER, _reading_rows(plates)),
            "### Region of given crops",
            table(["", "plates", "top 1", "top 3"], region_rows),
        ]
    )


def cut_outs(title: str, plates: Sequence[Pair]) -> str:
    """Plate crops sent as photographs, as by a client that has its own detector."""
    return "\n\n".join(
        [
            f"### {title}",
            table(_READING_HEADER, _reading_rows(_read(plates))),
            "Crops sent as photographs: here the detector has to find the plate that fills the picture, and the first "
            "result counts.",
        ]
    )


def gallery(pictures: Iterable[Path], root: Path) -> str:
    """The pictures, by their paths from `root`."""
    images = [f"![{picture.stem}]({picture.relative_to(root)})" for picture in pictures]
    return "\n\n".join(
        [
            "### Pictures",
            "Confusion matrices of given crops (one row per label, shaded by the share of the row), and how often "
            "plates with a given score are right, with their number. The rarest classes are combined as `others`.",
            *images,
        ]
    )


def region_answers(crops: Iterable[ReadCrop]) -> list[tuple[str, list[str]]]:
    """Label and answers, best first, of crops with a known region."""
    return [
        (crop.region, [entry.value for entry in crop.plate.regions])
        for crop in crops
        if crop.region and crop.region != "unknown"
    ]


def country_answers(crops: Iterable[ReadCrop]) -> list[tuple[str, list[str]]]:
    return [(country(label), [country(code) for code in found]) for label, found in region_answers(crops)]


_DETECTION_HEADER: Final = ("", "labelled", "recall", "precision", "recall, default", "precision, default")


def _plates_row(name: str, photos: Sequence[Matched]) -> list[str]:
    every, default = figures.plate_detection(photos), figures.plate_detection(photos, THRESHOLD_TEXT)
    shares = (every.recall, every.precision, default.recall, default.precision)
    return [name, str(every.count), *(percent(share) for share in shares)]


_SET_HEADER: Final = (
    "",
    "plates",
    *(f"found, IoU {overlap}" for overlap in figures.OVERLAPS),
    "false",
    "texts",
    "exact match",
    "O = 0, I = 1",
    "country right",
)


def _set_row(name: str, found: figures.PlateFigures) -> list[str]:
    texts = [str(found.texts), percent(found.exact), percent(found.alike)] if found.texts else ["0", "", ""]
    return [
        name,
        str(found.count),
        *(percent(share) for share in found.found.values()),
        "-" if found.false is None else str(found.false),
        *texts,
        percent(found.country) if found.regions else "",
    ]


def _vehicles_row(name: str, found: figures.DetectionFigures) -> list[str]:
    return [name, str(found.count), percent(found.recall), percent(found.precision), "", ""]


_READING_HEADER: Final = ("", "plates", "exact match", "O = 0, I = 1", "among first 3", "CER")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A plate with a known text, and its reading."""

    set: str
    region: str
    reading: Reading


def _read(pairs: Iterable[Pair], legibility: str = "clear") -> list[Labelled]:
    """The labelled plates of that legibility, as in an answer to a request without options."""
    return [
        Labelled(name, label.region, Reading(label.text, found.texts if _shown(found) else ()))
        for name, label, found in pairs
        if label.text and label.legibility == legibility
    ]


def _shown(found: FoundPlate | None) -> TypeGuard[FoundPlate]:
    return found is not None and found.score >= THRESHOLD_TEXT


def _reading_rows(plates: Sequence[Labelled]) -> list[list[str]]:
    """Rows for all clear plates, by set, and by region if there are enough."""
    by_set = figures.grouped(plates, lambda plate: plate.set)
    by_area = figures.grouped(plates, lambda plate: area(plate.region))
    return [
        _reading_row("all clear plates", plates),
        *(_reading_row(f"set {name}", group) for name, group in by_set.items()),
        *(_reading_row(name, group) for name, group in by_area.items() if len(group) >= MIN_GROUP),
    ]


def _reading_row(name: str, plates: Sequence[Labelled]) -> list[str]:
    found = figures.reading_figures([plate.reading for plate in plates])
    shares = (found.exact, found.alike, found.top3, found.cer)
    return [name, str(found.count), *(percent(share) for share in shares)]
