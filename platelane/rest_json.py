"""Recognitions as the JSON of the REST API: pure functions from protobuf messages to dictionaries, key order included.

The gateway answers with them, and webhooks carry them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from platelane import times
from platelane.pb.v1 import domain_pb2

Json = dict[str, Any]

API_VERSION: Final = 1
TOP: Final = 3
"""How many makes, years, colours, orientations and regions are reported at most."""
CANDIDATES: Final = 5
"""How many readings of a plate are reported at most."""

_NOWHERE: Final = {"xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0}


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls of this month, and how many are allowed."""

    calls: int
    max_calls: int


def recognition_body(
    recognition: domain_pb2.Recognition, *, usage: Usage | None = None, zulu: bool = True
) -> dict[str, Any]:
    """The answer for one photograph, in plate mode or vehicle mode according to its options.

    `zulu` picks the cloud's timestamps (2020-10-12T16:17:27.574008Z) over the on-premise ones (2020-10-12
    16:17:27.574008); both are UTC. `usage` is left out when None.
    """
    picture = _Picture(recognition.image_width, recognition.image_height, recognition.options)
    if recognition.options.vehicles:
        results = [picture.sighting(sighting) for sighting in recognition.sightings]
    else:
        results = [picture.plate(seen) for seen in recognition.sightings if seen.HasField("plate")]
    body: Json = {
        "processing_time": round(recognition.processing_ms, 3),
        "results": results,
        "filename": recognition.filename,
        "version": API_VERSION,
        "camera_id": recognition.camera_id or None,
        "timestamp": timestamp(recognition.timestamp_us, zulu=zulu),
    }
    if usage is not None:
        body["usage"] = {"calls": usage.calls, "max_calls": usage.max_calls}
    body["image_width"] = recognition.image_width
    body["image_height"] = recognition.image_height
    return body


def timestamp(microseconds: int, *, zulu: bool) -> str:
    """UTC with microseconds, as the cloud (`zulu`) or the on-premise server writes it."""
    moment = times.moment(microseconds).replace(tzinfo=None)
    return moment.isoformat("T", "microseconds") + "Z" if zulu else moment.isoformat(" ", "microseconds")


def score(value: float) -> float:
    """A probability, clipped to 0 to 1, with three decimals."""
    return round(min(max(0.0, value), 1.0), 3)


@dataclass(frozen=True, slots=True)
class _Picture:
    """The size of the picture, to which boxes are clipped, and the options of the request."""

    width: int
    height: int
    options: domain_pb2.Options

    def plate(self, seen: domain_pb2.Sighting) -> Json:
        """A result of plate mode."""
        plate = seen.plate
        region = _regions(plate)[0]
        result: Json = {
            "box": self.box(plate.box),
            "plate": plate.text,
            "region": {"code": region["value"], "score": region["score"]},
            "score": score(plate.text_score),
            "candidates": [
                {"score": score(each.score), "plate": each.value, **self.characters(each)}
                for each in _candidates(plate)
            ],
            "dscore": score(plate.detection_score),
            "vehicle": self.vehicle_summary(seen),
        }
        if self.options.make_model_color:
            result["model_make"] = _makes(seen.vehicle)
            result["color"] = [{"color": e["value"], "score": e["score"]} for e in _colors(seen.vehicle)]
            result["orientation"] = [
                {"orientation": e["value"], "score": e["score"]} for e in _orientations(seen.vehicle)
            ]
            result |= _years(seen.vehicle)
        result |= _direction(seen.vehicle)
        result["polygon"] = self.polygon(plate)
        return result | self.characters(_read(plate))

    def vehicle_summary(self, seen: domain_pb2.Sighting) -> Json:
        """The vehicle of a plate-mode result; all zero for a plate without a vehicle."""
        if not seen.HasField("vehicle"):
            return {"score": 0.0, "type": "Unknown", "box": dict(_NOWHERE)}
        kind, confidence = _type(seen.vehicle)
        return {"score": confidence, "type": kind, "box": self.box(seen.vehicle.box)}

    def sighting(self, seen: domain_pb2.Sighting) -> Json:
        """A result of vehicle mode."""
        return {
            "plate": self.plate_part(seen.plate) if seen.HasField("plate") else None,
            "vehicle": self.vehicle_part(seen.vehicle) if seen.HasField("vehicle") else None,
            **_direction(seen.vehicle),
        }

    def plate_part(self, plate: domain_pb2.Plate) -> Json:
        return {
            "type": "Plate",
            "score": score(plate.detection_score),
            "box": self.box(plate.box),
            "props": {
                "plate": [
                    {"value": each.value, "score": score(each.score), **self.characters(each)}
                    for each in _candidates(plate)
                ],
                "region": _regions(plate),
            },
            "polygon": self.polygon(plate),
            **self.characters(_read(plate)),
        }

    def characters(self, text: domain_pb2.Scored) -> Json:
        """Each character of a text with its confidence; empty if not requested."""
        if not self.options.characters:
            return {}
        pairs = zip(text.value, text.character_scores, strict=False)
        return {"characters": [{"char": char, "score": score(value)} for char, value in pairs]}

    def vehicle_part(self, vehicle: domain_pb2.Vehicle) -> Json:
        kind, confidence = _type(vehicle)
        return {
            "type": kind,
            "score": confidence,
            "box": self.box(vehicle.box),
            "props": {
                "make_model": _makes(vehicle),
                "orientation": _orientations(vehicle),
                "color": _colors(vehicle),
                **_years(vehicle),
            },
        }

    def box(self, box: domain_pb2.Box) -> Json:
        """Whole pixels inside the picture, at least one wide and high; the last column is `width - 1`."""
        xmin, xmax = _span(box.xmin, box.xmax, self.width)
        ymin, ymax = _span(box.ymin, box.ymax, self.height)
        return {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax}

    def polygon(self, plate: domain_pb2.Plate) -> list[list[int]]:
        """The plate's four corners, clockwise from its upper left; those of the box if none are known."""
        if plate.corners:
            return [[_clamp(point.x, self.width), _clamp(point.y, self.height)] for point in plate.corners]
        xmin, ymin, xmax, ymax = self.box(plate.box).values()
        return [[xmin, ymin], [xmax, ymin], [xmax, ymax], [xmin, ymax]]


def _clamp(value: float, size: int) -> int:
    return round(min(max(0.0, value), max(1, size - 1)))


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(_clamp(low, size), max(0, size - 2))
    return start, max(start + 1, _clamp(high, size))


def _candidates(plate: domain_pb2.Plate) -> Sequence[domain_pb2.Scored]:
    return plate.candidates[:CANDIDATES] or [_read(plate)]


def _read(plate: domain_pb2.Plate) -> domain_pb2.Scored:
    """The text that was read."""
    return domain_pb2.Scored(value=plate.text, score=plate.text_score, character_scores=plate.character_scores)


def _type(vehicle: domain_pb2.Vehicle) -> tuple[str, float]:
    if vehicle.types:
        return vehicle.types[0].value, score(vehicle.types[0].score)
    return "Unknown", score(vehicle.detection_score)


def _regions(plate: domain_pb2.Plate) -> list[Json]:
    return _scored(plate.regions[:TOP]) or [{"value": "unknown", "score": 0.0}]


def _colors(vehicle: domain_pb2.Vehicle) -> list[Json]:
    return _scored(vehicle.colors[:TOP]) or [{"value": "unknown", "score": 0.0}]


def _orientations(vehicle: domain_pb2.Vehicle) -> list[Json]:
    return _scored(vehicle.orientations[:TOP]) or [{"value": "Unknown", "score": 0.0}]


def _direction(vehicle: domain_pb2.Vehicle) -> Json:
    """The direction; empty if it was not requested or could not be estimated."""
    if not vehicle.HasField("direction"):
        return {}
    return {"direction": round(vehicle.direction.degrees) % 360, "direction_score": score(vehicle.direction.score)}


def _makes(vehicle: domain_pb2.Vehicle) -> list[Json]:
    known = [{"make": each.make, "model": each.model, "score": score(each.score)} for each in vehicle.make_models[:TOP]]
    return known or [{"make": "generic", "model": "Unknown", "score": 0.0}]


def _years(vehicle: domain_pb2.Vehicle) -> Json:
    """The years of the generations that the vehicle may be from, best first; empty if none are known.

    The probabilities of all models whose generations have the same years are summed.
    """
    scores: defaultdict[tuple[int, int], float] = defaultdict(float)
    for each in vehicle.make_models:
        if each.first_year:
            scores[each.first_year, each.last_year] += each.score
    best = sorted(scores.items(), key=lambda item: -item[1])[:TOP]
    return {"year": [{"year_range": list(years), "score": score(value)} for years, value in best]} if best else {}


def _scored(values: Iterable[domain_pb2.Scored]) -> list[Json]:
    return [{"value": each.value, "score": score(each.score)} for each in values]
