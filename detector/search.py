"""Finding plates and vehicles in a picture: one look at all of it, then a few more where they are worth it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector import looks, zones
from detector.association import associate
from detector.detections import Detections
from detector.looks import Look
from platelane.crops import Image
from platelane.geometry import Box, Corners
from platelane.pb.v1 import domain_pb2

VEHICLE_THRESHOLD: Final = 0.3
REDACTION_FACTOR: Final = 0.35
"""In redaction mode plates down to this share of the threshold are kept: a miss is worse there than a false find."""
MAX_PLATES: Final = 48
MAX_VEHICLES: Final = 48
BEYOND_DOUBT: Final = 0.6


class Model(Protocol):
    """The detection model: UINT8 (B, H, W, 3) in, one `Detections` in canvas pixels for each of the batch out."""

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]: ...


@dataclass(frozen=True, slots=True)
class FoundPlate:
    box: Box
    corners: Corners
    score: float
    vehicle: int | None
    """Index into `Found.vehicles`."""


@dataclass(frozen=True, slots=True)
class FoundVehicle:
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """What is in a picture, in its pixels, boxes inside it; best first."""

    plates: tuple[FoundPlate, ...]
    vehicles: tuple[FoundVehicle, ...]


async def search(model: Model, image: Image, options: domain_pb2.Options) -> Found:
    """Detect in one step (fast), or in two.

    The first step looks at all of the picture twice, large for what is far and small for what is near. The second looks
    closer at some vehicles, for their small plates. Where the first saw neither a vehicle nor a plate beyond doubt the
    second looks from farther away, for a picture that is little more than a plate.
    """
    height, width = image.shape[:2]
    large, small = await asyncio.to_thread(looks.whole, image)
    seen = Detections.concatenated(await asyncio.gather(_seen(model, [large]), _seen(model, [small])))
    vehicles = seen.vehicles.above(VEHICLE_THRESHOLD).suppressed(0.55, containment=0.9)
    plates = [seen.plates]
    if options.mode != domain_pb2.MODE_FAST:
        again = await asyncio.to_thread(_second_looks, image, seen, vehicles, large, options.zoom_in_vehicles)
        if again:
            plates.append((await _seen(model, again)).plates)
    threshold = options.threshold_detection
    if options.mode == domain_pb2.MODE_REDACTION:
        threshold *= REDACTION_FACTOR
    found = Detections.concatenated(plates).above(threshold).suppressed(0.4, containment=0.7)
    # before plates are counted per vehicle, so that overlay text does not take a plate's place
    return _found(found[zones.outside(found.boxes, options.excluded, width, height)], vehicles, image, options)


async def _seen(model: Model, taken: list[Look]) -> Detections:
    """What looks of one canvas size show, in pixels of the picture; all in one request."""
    answers = await model(np.stack([look.canvas for look in taken]))
    return Detections.concatenated([look.in_picture(answer) for look, answer in zip(taken, answers, strict=True)])


def _second_looks(image: Image, seen: Detections, vehicles: Detections, large: Look, limit: int) -> list[Look]:
    if not len(vehicles.above(BEYOND_DOUBT)) and not len(seen.plates.above(BEYOND_DOUBT)):
        return looks.farther(image)
    return looks.closer(image, [_box(row) for row in vehicles.boxes], large.fit.scale, limit)


def _found(plates: Detections, vehicles: Detections, image: Image, options: domain_pb2.Options) -> Found:
    height, width = image.shape[:2]
    vehicles = vehicles[np.arange(min(len(vehicles), MAX_VEHICLES))]
    plate_boxes = [_box(row) for row in plates.boxes]
    vehicle_boxes = [_box(row) for row in vehicles.boxes]
    owners = associate(plate_boxes, vehicle_boxes)
    counts: dict[int, int] = {}
    kept: list[FoundPlate] = []
    for i, (box, owner) in enumerate(zip(plate_boxes, owners, strict=True)):
        if owner is None:
            if options.strict_detection:
                continue
        else:
            counts[owner] = counts.get(owner, 0) + 1
            # 0 means no limit; redaction must not lose a plate to it
            limited = options.plates_per_vehicle > 0 and options.mode != domain_pb2.MODE_REDACTION
            if limited and counts[owner] > options.plates_per_vehicle:
                continue
        kept.append(FoundPlate(box.clipped(width, height), plates.corners[i], float(plates.scores[i]), owner))
    return Found(
        tuple(kept[:MAX_PLATES]),
        tuple(
            FoundVehicle(box.clipped(width, height), float(vehicles.scores[i])) for i, box in enumerate(vehicle_boxes)
        ),
    )


def _box(row: NDArray[np.float32]) -> Box:
    return Box(*(float(value) for value in row))
