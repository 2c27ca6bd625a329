"""Tables about vehicles: their attributes, through the API and in given crops, and their directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aggregator.direction import TOLERANCE
from benchmarks.results import table
from training.evaluation import figures
from training.evaluation.given_crops import DescribedCrop
from training.evaluation.labels import PlateLabel
from training.evaluation.matching import FoundPlate, Json, Matched
from training.evaluation.tables import accuracy_row, percent

HEADS: Final = {"type": "types", "color": "colors", "orientation": "orientations"}
"""Columns of the labels, with the fields of a vehicle's message."""
NAMES: Final = {"type": "type", "color": "colour", "orientation": "orientation"}


def through_api(photos: Sequence[Matched]) -> str:
    """Vehicles in photographs, with the boxes of the detector."""
    pairs = [pair for matched in photos for pair in matched.plates]
    rows = [_through_api_row(head, pairs) for head in HEADS]
    return "\n\n".join(
        [
            "### Attributes, through the API",
            table(["", "labelled", "found", "right, of these"], rows),
            "Vehicles in photographs with a labelled plate; found: the plate and a vehicle around it were found.",
            _directions(pairs),
        ]
    )


def of_crops(crops: Sequence[DescribedCrop]) -> str:
    """The attribute model alone, on given crops."""
    rows = [accuracy_row(NAMES[head], answered(crops, head)) for head in HEADS]
    made = [crop for crop in crops if crop.row["make"]]
    models = [((c.row["make"], c.row["model"]), [(m.make, m.model) for m in c.vehicle.make_models]) for c in made]
    rows += [accuracy_row("make", makes(crops)), accuracy_row("make and model", models)]
    return "\n\n".join(["### Attributes of given crops", table(["", "vehicles", "top 1", "top 3"], rows)])


def answered(crops: Sequence[DescribedCrop], head: str) -> list[tuple[str, list[str]]]:
    """Label and answers, best first, of labelled crops."""
    return [
        (crop.row[head], [entry.value for entry in getattr(crop.vehicle, HEADS[head])])
        for crop in crops
        if _known(crop.row[head])
    ]


def makes(crops: Sequence[DescribedCrop]) -> list[tuple[str, list[str]]]:
    return [(crop.row["make"], [m.make for m in crop.vehicle.make_models]) for crop in crops if crop.row["make"]]


def _through_api_row(head: str, pairs: Sequence[tuple[PlateLabel, FoundPlate | None]]) -> list[str]:
    labelled = [(getattr(label, f"vehicle_{head}"), found) for label, found in pairs]
    labelled = [(label, found) for label, found in labelled if _known(label)]
    right = [label == _answer(found.vehicle, head) for label, found in labelled if found and found.vehicle]
    return [NAMES[head], str(len(labelled)), str(len(right)), percent(sum(right) / max(1, len(right)))]


def _answer(vehicle: Json, head: str) -> str:
    return str(vehicle["type"] if head == "type" else vehicle["props"][head][0]["value"])


def _known(label: str) -> bool:
    return label.lower() not in ("", "unknown")


def _directions(pairs: Sequence[tuple[PlateLabel, FoundPlate | None]]) -> str:
    """A paragraph on directions."""
    found = figures.direction_figures(
        (label.direction, plate.direction if plate else None, plate.direction_score if plate else 0.0)
        for label, plate in pairs
        if label.direction is not None
    )
    return (
        f"`direction`, for {found.count} vehicles whose heading was judged by eye: given for {found.given}, off by "
        f"{found.error:.0f} degrees on average, right within {TOLERANCE:.0f} degrees for {percent(found.right)} at a "
        f"mean score of {found.score:.2f}. Of the {found.turned} that head sideways by more than "
        f"{figures.SIDEWAYS:.0f} degrees, {percent(found.same_side)} are given the right side."
    )
