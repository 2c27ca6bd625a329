"""Makes rows of the table of reads from stored results. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.read_id import ReadId
from platelane.webhooks.wildcards import folded
from reads.models import PLACES


@dataclass(frozen=True, slots=True)
class PlateRow:
    """A plate of a result, with those columns of its row that do not depend on other tables."""

    account: str
    camera: str
    text: str
    columns: dict[str, Any]


def plate_rows(sequence: int, result: stages_pb2.Result) -> Iterator[PlateRow]:
    """The plates of a result whose number in the stream is `sequence`."""
    recognition = result.recognition
    for place, sighting in enumerate(recognition.sightings[:PLACES]):
        if sighting.HasField("plate") and (text := folded(sighting.plate.text)):
            columns = {
                "id": sequence * PLACES + place,
                "name": str(ReadId(recognition.id, place)),
                "time_us": recognition.timestamp_us,
                **_of_plate(sighting.plate),
                **_of_vehicle(sighting.vehicle),
                "has_vehicle": sighting.HasField("vehicle"),
            }
            yield PlateRow(result.account, recognition.camera_id, text, columns)


def _of_plate(plate: domain_pb2.Plate) -> dict[str, Any]:
    region = plate.regions[0] if plate.regions else domain_pb2.Scored(value="unknown")
    return {
        "score": round(plate.text_score, 3),
        "dscore": round(plate.detection_score, 3),
        "region": region.value,
        "region_score": round(region.score, 3),
        "x1": round(plate.box.xmin),
        "y1": round(plate.box.ymin),
        "x2": round(plate.box.xmax),
        "y2": round(plate.box.ymax),
        "has_crop": plate.HasField("crop"),
    }


def _of_vehicle(vehicle: domain_pb2.Vehicle) -> dict[str, Any]:
    return {
        "type": vehicle.types[0].value if vehicle.types else "",
        "make": vehicle.make_models[0].make if vehicle.make_models else "",
        "model": vehicle.make_models[0].model if vehicle.make_models else "",
        "color": vehicle.colors[0].value if vehicle.colors else "",
        "orientation": vehicle.orientations[0].value if vehicle.orientations else "",
        "direction": round(vehicle.direction.degrees) % 360 if vehicle.HasField("direction") else None,
    }
