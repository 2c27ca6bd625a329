"""Matches the API's answers to the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from platelane.vision.geometry import Box
from training.evaluation.labels import PhotoLabels, PlateLabel, VehicleLabel

Json = dict[str, Any]
T = TypeVar("T")

FOUND: Final = 0.5
"""Least IoU of a detection with the labelled object."""
SAME: Final = 0.3
"""Least IoU of a detection with an overlooked plate; lower, because its box is not exact."""


@dataclass(frozen=True, slots=True)
class FoundPlate:
    """A plate of an answer; `texts` are its candidates, best first, `regions` likewise.

    `direction` is the heading of its vehicle in degrees; None if the answer has none.
    """

    box: Box
    dscore: float
    texts: tuple[str, ...]
    score: float
    regions: tuple[str, ...]
    vehicle: Json | None
    direction: float | None = None
    direction_score: float = 0.0
    region_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundVehicle:
    box: Box
    type: str
    score: float


@dataclass(frozen=True, slots=True)
class Matched:
    """One photograph: each label with its detection, and the detections without a label."""

    photo: PhotoLabels
    plates: tuple[tuple[PlateLabel, FoundPlate | None], ...]
    extra_plates: tuple[FoundPlate, ...]
    vehicles: tuple[tuple[VehicleLabel, FoundVehicle | None], ...]
    extra_vehicles: tuple[FoundVehicle, ...]


def match(photo: PhotoLabels, answer: Json) -> Matched:
    """Match at IoU 0.5: pairs of highest overlap first, each label and each detection once."""
    plates, vehicles = found_plates(answer), _vehicles(answer)
    plate_pairs = _pairs([label.box for label in photo.plates], [found.box for found in plates])
    vehicle_pairs = _pairs([label.box for label in photo.vehicles], [found.box for found in vehicles])
    return Matched(
        photo,
        tuple((label, _at(plates, plate_pairs.get(i))) for i, label in enumerate(photo.plates)),
        tuple(
            found
            for i, found in enumerate(plates)
            if i not in plate_pairs.values() and not any(found.box.iou(box) >= SAME for box in photo.overlooked)
        ),
        tuple((label, _at(vehicles, vehicle_pairs.get(i))) for i, label in enumerate(photo.vehicles)),
        tuple(found for i, found in enumerate(vehicles) if i not in vehicle_pairs.values()),
    )


def _pairs(labels: Sequence[Box], found: Sequence[Box]) -> dict[int, int]:
    overlaps = sorted(
        ((a.iou(b), i, j) for i, a in enumerate(labels) for j, b in enumerate(found)), key=lambda entry: -entry[0]
    )
    pairs: dict[int, int] = {}
    for overlap, i, j in overlaps:
        if overlap >= FOUND and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _at(values: Sequence[T], index: int | None) -> T | None:
    return None if index is None else values[index]


def _box(box: Json) -> Box:
    return Box(box["xmin"], box["ymin"], box["xmax"], box["ymax"])


def found_plates(answer: Json) -> list[FoundPlate]:
    """Plates of a vehicle-mode answer, best first."""
    return [
        FoundPlate(
            _box(plate["box"]),
            plate["score"],
            tuple(entry["value"] for entry in plate["props"]["plate"]),
            plate["props"]["plate"][0]["score"],
            tuple(entry["value"] for entry in plate["props"]["region"]),
            result["vehicle"],
            result.get("direction"),
            result.get("direction_score", 0.0),
            tuple(entry["score"] for entry in plate["props"]["region"]),
        )
        for result in answer["results"]
        if (plate := result["plate"])
    ]


def _vehicles(answer: Json) -> list[FoundVehicle]:
    return [
        FoundVehicle(_box(vehicle["box"]), vehicle["type"], vehicle["score"])
        for result in answer["results"]
        if (vehicle := result["vehicle"])
    ]
