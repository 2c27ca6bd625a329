"""The labels of validation photographs."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from platelane.vision.geometry import Box
from training.data.dataset import VEHICLE_LABELS, Row, all_plates, all_vehicles, box


@dataclass(frozen=True, slots=True)
class PlateLabel:
    """`text` is lower case like the API's answers, and empty if uncertain.

    `direction` is the heading of its vehicle, in the API's degrees; None if unknown.
    """

    box: Box
    text: str
    region: str
    legibility: str
    vehicle_type: str = ""
    vehicle_color: str = ""
    vehicle_orientation: str = ""
    direction: float | None = None


@dataclass(frozen=True, slots=True)
class VehicleLabel:
    box: Box
    kind: str


@dataclass(frozen=True, slots=True)
class PhotoLabels:
    """A photograph. Detections of kinds that are not completely labelled cannot count as false.

    `overlooked` are plates that the labels lack: they need not be found, and finding them is not false.
    """

    file: str
    set: str
    plates: tuple[PlateLabel, ...]
    vehicles: tuple[VehicleLabel, ...]
    all_plates: bool
    all_vehicles: bool
    overlooked: tuple[Box, ...] = ()


def readable(text: str, region: str) -> str:
    """A labelled text as the API would answer it; empty if a character is uncertain.

    The province character of Chinese plates is left out, as in the API.
    """
    if "?" in text:
        return ""
    rest = text[1:] if region == "cn" and text and not text[0].isascii() else text
    return rest.lower() if rest.isascii() and rest.isalnum() else ""


def plate_label(row: Row) -> PlateLabel:
    """The label of the plate in a row."""
    return PlateLabel(box(row), readable(row["text"], row["region"]), row["region"], row["legibility"])


def photo_labels(file: str, rows: list[Row]) -> PhotoLabels:
    return PhotoLabels(
        file=file,
        set=rows[0]["set"],
        plates=tuple(
            replace(
                plate_label(row),
                vehicle_type=row["vehicle_type"],
                vehicle_color=row["vehicle_color"],
                vehicle_orientation=row["vehicle_orientation"],
                direction=_direction(file, box(row)),
            )
            for row in rows
            if row["class"] == "plate"
        ),
        vehicles=tuple(VehicleLabel(box(row), row["class"]) for row in rows if row["class"] in VEHICLE_LABELS),
        all_plates=all_plates(rows[0]),
        overlooked=_overlooked().get(file, ()),
        all_vehicles=all_vehicles(rows[0]),
    )


def _direction(file: str, plate: Box) -> float | None:
    for x, y, degrees in _directions().get(file, ()):
        if plate.xmin <= x <= plate.xmax and plate.ymin <= y <= plate.ymax:
            return degrees
    return None


@cache
def _directions() -> dict[str, tuple[tuple[float, float, float], ...]]:
    """By photograph: the centres of plates, and degrees judged by eye to about 10, without knowing the answer."""
    judged: dict[str, list[tuple[float, float, float]]] = {}
    with (Path(__file__).parent / "directions.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            judged.setdefault(row["file"], []).append((float(row["x"]), float(row["y"]), float(row["direction"])))
    return {file: tuple(judgements) for file, judgements in judged.items()}


@cache
def _overlooked() -> dict[str, tuple[Box, ...]]:
    """By photograph: unlabelled detections of an earlier detector that are plates, checked by eye."""
    found: dict[str, list[Box]] = {}
    with (Path(__file__).parent / "overlooked.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            sides = Box(*(float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")))
            found.setdefault(row["file"], []).append(sides)
    return {file: tuple(boxes) for file, boxes in found.items()}
