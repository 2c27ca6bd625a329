"""What a validation photograph is known to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from platelane.geometry import Box
from training.data import Row, box

VEHICLE_CLASSES: Final = ("car", "truck", "bus", "motorcycle")
_VEHICLES: Final = frozenset({*VEHICLE_CLASSES, "vehicle", "ambulance"})


@dataclass(frozen=True, slots=True)
class PlateLabel:
    """`text` is lower case as the API answers, empty where it is not known for certain."""

    box: Box
    text: str
    region: str
    legibility: str
    vehicle_type: str = ""
    vehicle_color: str = ""
    vehicle_orientation: str = ""


@dataclass(frozen=True, slots=True)
class VehicleLabel:
    box: Box
    kind: str


@dataclass(frozen=True, slots=True)
class PhotoLabels:
    """A photograph; what is not labelled exhaustively in it cannot count as a false find."""

    file: str
    set: str
    plates: tuple[PlateLabel, ...]
    vehicles: tuple[VehicleLabel, ...]
    all_plates: bool
    all_vehicles: bool


def readable(text: str, region: str) -> str:
    """A labelled text as the API would answer it; empty if a character of it is unsure.

    Chinese plates begin with a province character, which is no letter or digit: the API leaves it out.
    """
    if "?" in text:
        return ""
    rest = text[1:] if region == "cn" and text and not text[0].isascii() else text
    return rest.lower() if rest.isascii() and rest.isalnum() else ""


def photo_labels(file: str, rows: list[Row]) -> PhotoLabels:
    labelled = rows[0]["labelled"].split()
    return PhotoLabels(
        file=file,
        set=rows[0]["set"],
        plates=tuple(
            PlateLabel(
                box(row),
                readable(row["text"], row["region"]),
                row["region"],
                row["legibility"],
                row["vehicle_type"],
                row["vehicle_color"],
                row["vehicle_orientation"],
            )
            for row in rows
            if row["class"] == "plate"
        ),
        vehicles=tuple(VehicleLabel(box(row), row["class"]) for row in rows if row["class"] in _VEHICLES),
        all_plates="plate" in labelled,
        all_vehicles="partly" not in labelled and ("vehicle" in labelled or "car" in labelled),
    )
