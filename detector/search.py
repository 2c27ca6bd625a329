"""Finding plates and vehicles in a picture: two looks at all of it, then a few more where they are worth it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector import looks, zones
from detector.association import associate
from detector.calibration import calibrated, uncalibrated
from detector.detections import Detections
from detector.looks import Look
from platelane.crops import Image
from platelane.geometry import Box, Corners
from platelane.pb.v1 import domain_pb2
from platelane.plate_limit import plate_limit
from platelane.plate_score import least_detection

VEHICLE_THRESHOLD: Final = 0.08
WORTH_A_LOOK: Final = 0.22
"""Score from which on a vehicle without a plate is looked at enlarged."""
FAR: Final = 70.0
"""Size in pixels of the large look, the root of the area, up to which it is asked for vehicles. Of larger ones it sees
parts; the small look sees them whole."""
VEHICLE_RIVALS: Final = 0.4
"""Overlap of which only the better of two vehicles is kept; one that another hides most of is a vehicle, too."""
MAX_PLATES: Final = 48
MAX_REDACTED: Final = 200
"""The same for redaction: so many cuts fit into a message of NATS."""
MAX_VEHICLES: Final = 48
BEYOND_DOUBT: Final = 0.6
"""Score from which on there is no need to look for another plate in its place."""
PLATE_RIVALS: Final = (0.4, 0.7)
"""Overlap and containment of which only the better of two plates is kept."""
CONTESTED: Final = 0.4
"""Probability from which on a find beyond a vehicle's number of plates is read, too: a sticker may look more like a
plate than the plate does, but not read like one."""


class Model(Protocol):
    """The detection model: UINT8 (B, H, W, 3) in, one `Detections` in canvas pixels for each of the batch out."""

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]: ...


@dataclass(frozen=True, slots=True)
class FoundPlate:
    box: Box
    corners: Corners
    corners_again: Corners
    """Sought from the box instead of from what the detector told; those of the box until the aligner has seen it."""
    score: float
    """Calibrated: the probability of a plate by its looks alone."""
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
    """Detect in two steps, or (fast) by one look.

    The first step looks at all of the picture twice, large for what is far and small for what is near. The second looks
    at vehicles without a plate, enlarged; and where there is neither, from farther away, for a picture that is little
    more than a plate.

    Plates that their reading may yet lift over the threshold (`platelane.plate_score`) are among the found; redaction
    keeps all of them, because a miss is worse there than false finds.
    """
    height, width = image.shape[:2]
    least = uncalibrated(least_detection(options.threshold_detection))
    fast = options.mode == domain_pb2.MODE_FAST
    first = await asyncio.to_thread(looks.once if fast else looks.whole, image)
    answers = [answer for (answer,) in await asyncio.gather(*(_seen(model, [look]) for look in first))]
    seen = Detections.concatenated(answers)
    vehicles = _vehicles(first, answers)
    plates = seen.plates.above(least).suppressed(*PLATE_RIVALS)
    if options.zoom_in_vehicles and not fast:
        further = await asyncio.to_thread(_further_looks, image, first[0], plates, vehicles, options.zoom_in_vehicles)
        if further:
            nearer = [answer.plates.above(least) for answer in await _seen(model, further)]
            plates = Detections.concatenated([plates, *nearer]).suppressed(*PLATE_RIVALS)
    # before plates are counted per vehicle, so that overlay text does not take a plate's place
    return _found(plates[zones.outside(plates.boxes, options.excluded, width, height)], vehicles, image, options)


def _vehicles(taken: tuple[Look, ...], answers: list[Detections]) -> Detections:
    """Those of the one look, or of two the large look's far ones and the small look's."""
    seen = [answer.vehicles.above(VEHICLE_THRESHOLD) for answer in answers]
    if len(seen) > 1:
        size = seen[0].boxes[:, 2:] - seen[0].boxes[:, :2]
        seen[0] = seen[0][np.sqrt(size.prod(axis=1)) * taken[0].fit.scale <= FAR]
    return Detections.concatenated(seen).suppressed(VEHICLE_RIVALS)


def _further_looks(image: Image, large: Look, plates: Detections, vehicles: Detections, limit: int) -> list[Look]:
    certain = boxes_of(plates.above(BEYOND_DOUBT))
    if not certain and not len(vehicles.above(BEYOND_DOUBT)):
        return looks.farther(image)
    worthy = boxes_of(vehicles.above(WORTH_A_LOOK))
    empty = [box for box in worthy if not any(plate.intersection(box) > 0 for plate in certain)]
    return looks.closer(image, empty, large.fit.scale, limit)


async def _seen(model: Model, taken: list[Look]) -> list[Detections]:
    """What each look shows, in pixels of the picture; the looks are of one canvas size and go in one request."""
    answers = await model(np.stack([look.canvas for look in taken]))
    return [look.in_picture(answer) for look, answer in zip(taken, answers, strict=True)]


def _found(plates: Detections, vehicles: Detections, image: Image, options: domain_pb2.Options) -> Found:
    height, width = image.shape[:2]
    vehicles = vehicles[:MAX_VEHICLES]
    plate_boxes = boxes_of(plates)
    vehicle_boxes = boxes_of(vehicles)
    scores = calibrated(plates.scores)
    owners = associate(plate_boxes, vehicle_boxes)
    limit = plate_limit(options)
    counts: dict[int, int] = {}
    kept: list[FoundPlate] = []
    for i, (box, owner) in enumerate(zip(plate_boxes, owners, strict=True)):
        if owner is None:
            if options.strict_detection:
                continue
        else:
            counts[owner] = counts.get(owner, 0) + 1
            if counts[owner] > limit and scores[i] < CONTESTED:
                continue
        box = box.clipped(width, height)
        kept.append(FoundPlate(box, plates.corners[i], box.corners(), float(scores[i]), owner))
    return Found(
        tuple(kept[: MAX_REDACTED if options.mode == domain_pb2.MODE_REDACTION else MAX_PLATES]),
        tuple(
            FoundVehicle(box.clipped(width, height), float(vehicles.scores[i])) for i, box in enumerate(vehicle_boxes)
        ),
    )


def boxes_of(detections: Detections) -> list[Box]:
    return [Box(*(float(value) for value in row)) for row in detections.boxes]
