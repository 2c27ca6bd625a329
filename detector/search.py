"""Finding plates and vehicles in a picture: one look at all of it, a second look at some vehicles."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector import zones
from detector.association import associate
from detector.detections import Detections
from platelane.crops import ZOOM_CANVAS, Image, frame_canvas, letterbox
from platelane.geometry import Box, Corners, Letterbox
from platelane.pb.v1 import domain_pb2

VEHICLE_THRESHOLD: Final = 0.3
REDACTION_FACTOR: Final = 0.35
"""In redaction mode plates down to this share of the threshold are kept: a miss is worse there than a false find."""
MAX_PLATES: Final = 48
MAX_VEHICLES: Final = 48
_ZOOM_MARGIN: Final = 0.08
_ZOOM_GAIN: Final = 1.25
"""A second look has to show a vehicle this much larger to be worth its time."""


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
    """Detect in one step (fast), or in two: the full frame, then some vehicles enlarged, for their small plates."""
    height, width = image.shape[:2]
    canvas, fit = await asyncio.to_thread(letterbox, image, frame_canvas(height, width))
    seen = (await model(canvas[None]))[0].in_picture(fit)
    vehicles = seen.vehicles.above(VEHICLE_THRESHOLD).suppressed(0.55, containment=0.9)
    plates = [seen.plates]
    if options.mode != domain_pb2.MODE_FAST:
        plates += await _zoomed(model, image, vehicles, fit, options.zoom_in_vehicles)
    threshold = options.threshold_detection
    if options.mode == domain_pb2.MODE_REDACTION:
        threshold *= REDACTION_FACTOR
    found = Detections.concatenated(plates).above(threshold).suppressed(0.4, containment=0.7)
    # before plates are counted per vehicle, so that overlay text does not take a plate's place
    return _found(found[zones.outside(found.boxes, options.excluded, width, height)], vehicles, image, options)


async def _zoomed(model: Model, image: Image, vehicles: Detections, frame: Letterbox, limit: int) -> list[Detections]:
    """Plates seen in the enlarged crops of the vehicles that gain most from it, all crops in one request."""
    looks = await asyncio.to_thread(_looks, image, vehicles, frame, limit)
    if not looks:
        return []
    answers = await model(np.stack([look.canvas for look in looks]))
    return [
        seen.plates.in_picture(look.fit, look.area.xmin, look.area.ymin)
        for seen, look in zip(answers, looks, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Look:
    """One vehicle enlarged: where it is in the picture, and how it was fitted into the canvas."""

    area: Box
    canvas: Image
    fit: Letterbox


def _looks(image: Image, vehicles: Detections, frame: Letterbox, limit: int) -> list[_Look]:
    height, width = image.shape[:2]
    looks: list[_Look] = []
    for row in vehicles.boxes:
        area = _box(row).grown(_ZOOM_MARGIN).clipped(width, height)
        gain = min(ZOOM_CANVAS[1] / area.width, ZOOM_CANVAS[0] / area.height) / frame.scale
        if gain >= _ZOOM_GAIN and len(looks) < limit:
            view = image[int(area.ymin) : int(area.ymax), int(area.xmin) : int(area.xmax)]
            looks.append(_Look(area, *letterbox(view, ZOOM_CANVAS)))
    return looks


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
