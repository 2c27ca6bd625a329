"""Finds plates and vehicles in a picture: in two views of the whole picture, then in more if no plate is certain."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detector import tiling, zones
from detector.association import associate
from detector.calibration import Calibration
from detector.detections import Detections
from detector.tiling import View
from platelane.pb.v1 import domain_pb2
from platelane.reporting import ReportingPolicy
from platelane.vision.crops import Image
from platelane.vision.geometry import Box, Corners

VEHICLE_THRESHOLD: Final = 0.08
ZOOM_THRESHOLD: Final = 0.22
"""Lowest score of a vehicle without a plate that is searched enlarged."""
FAR: Final = 70.0
"""Up to this size, the square root of their area in pixels of the large view, vehicles are taken from that view. It
tends to detect parts of larger ones, which are taken from the small view."""
VEHICLE_NMS: Final = 0.4
"""IoU above which only the better of two vehicles is kept. There is no containment rule, because a vehicle that is
mostly hidden by another is a vehicle too."""
MAX_VEHICLES: Final = 48
TIME_SHARE: Final = 0.5
"""Share of the time until the deadline that the second step may take, estimated from the time of the first."""
CERTAIN: Final = 0.6
"""Score from which a plate or vehicle counts as certain, so that its place is not searched again."""
TURN_GAIN: Final = 0.25
"""By how much a vehicle must score higher in the turned picture for the picture to count as turned. Twice as much if a
plate is certain in the unturned picture: that is rare if it lies on its side, but common if it is upside down."""
TURN_LOSS: Final = 0.1
"""By how much the best plate may score lower in the turned picture than a plate that is certain in the unturned one. A
plate that fills its picture, and nothing else, often looks like a vehicle when it is turned, but not like a plate."""
PLATE_NMS: Final = (0.4, 0.7)
"""IoU and containment above which only the better of two plates is kept."""


class Model(Protocol):
    """The detection model: UINT8 (B, H, W, 3) in; for each picture of the batch a `Detections` in canvas pixels out."""

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]: ...


@dataclass(frozen=True, slots=True)
class FoundPlate:
    box: Box
    """The detector's box, used for cutting crops and for the association with vehicles."""
    bounds: Box
    """The reported box, around the refined corners; equals `box` before refinement."""
    corners: Corners
    corners_from_box: Corners
    """Refined from the box instead of from the detector's corners; the box's own corners before refinement."""
    score: float
    """The calibrated probability of a plate, by the detector alone."""
    vehicle: int | None
    """Index into `Found.vehicles`."""


@dataclass(frozen=True, slots=True)
class FoundVehicle:
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """The plates and vehicles of a picture, in its pixels, with boxes inside it; best first."""

    plates: tuple[FoundPlate, ...]
    vehicles: tuple[FoundVehicle, ...]


async def search(
    model: Model, image: Image, options: domain_pb2.Options, calibration: Calibration, deadline: float
) -> Found:
    """Detect in two steps, or in fast mode in one view; and rotated, if the picture may be upside down or on its side.

    The first step shows the whole picture twice, large for distant objects and small for near ones. The second step
    enlarges vehicles without a certain plate. If no plate is certain at all, it also shows the whole picture in tiles,
    and if there are no vehicles either, from farther away, in case the picture is little more than a plate. A caller's
    `zoom_in_vehicles` limits the vehicles and turns the tiles off.

    Redaction searches all four rotations, because a legible plate is worse than something covered needlessly. In other
    modes, a picture without a certain vehicle is searched in the rotation in which it has one, if any.

    Returns what may be reported once it has been read (`platelane.reporting`). `deadline`, in Unix seconds, bounds the
    second step.
    """
    height, width = image.shape[:2]
    policy = ReportingPolicy.of(options, calibration.dscore)
    least = calibration.detection.uncalibrated(policy.least_detection)
    plates, vehicles = await _plates_and_vehicles(model, image, options, least, deadline)
    if options.mode == domain_pb2.MODE_REDACTION:
        # without tiles: in three of the four rotations no plate is ever certain
        turned = [await _turned(model, image, turns, options, least, deadline, tiles=False) for turns in tiling.TURNS]
        plates = Detections.concatenated([plates, *(found for found, _ in turned)]).nms(*PLATE_NMS)
    elif options.mode != domain_pb2.MODE_FAST and not len(vehicles.above(CERTAIN)):
        gain = 2 * TURN_GAIN if len(plates.above(CERTAIN)) else TURN_GAIN
        turns = await _rotation(model, image, float(vehicles.scores.max(initial=0)) + gain)
        if turns:
            unturned = plates.above(CERTAIN)
            turned_plates, turned_vehicles = await _turned(model, image, turns, options, least, deadline)
            if turned_plates.scores.max(initial=0) >= unturned.scores.max(initial=0) - TURN_LOSS:
                plates, vehicles = _merged(turned_plates, unturned), turned_vehicles
    # before plates are counted per vehicle, so that overlay text does not take a plate's place
    plates = plates[zones.outside(plates.boxes, options.excluded, width, height)]
    return _found(plates, calibration.detection.calibrated(plates.scores), vehicles, image, policy)


def _merged(turned: Detections, unturned: Detections) -> Detections:
    """The plates of the turned picture, and those of the unturned one, since not everything in a picture needs the same
    rotation. Of two that overlap, the turned one is kept unless it scores lower by more than `TURN_LOSS`."""
    overlaps = np.array(
        [[one.intersection(other) > 0 for other in boxes_of(unturned)] for one in boxes_of(turned)], bool
    ).reshape(len(turned), len(unturned))
    better = turned.scores[:, None] >= unturned.scores[None] - TURN_LOSS
    kept = ~(overlaps & better).any(axis=0)
    clear = ~(overlaps & kept).any(axis=1)
    return Detections.concatenated([turned[np.flatnonzero(clear)], unturned[np.flatnonzero(kept)]])


async def _plates_and_vehicles(
    model: Model, image: Image, options: domain_pb2.Options, least: float, deadline: float, *, tiles: bool = True
) -> tuple[Detections, Detections]:
    """Search the picture without rotating it, in two steps or one."""
    fast = options.mode == domain_pb2.MODE_FAST
    first = await asyncio.to_thread(tiling.once if fast else tiling.whole, image)
    began = time.monotonic()
    answers = [answer for (answer,) in await asyncio.gather(*(_detect(model, [view]) for view in first))]
    pace = (time.monotonic() - began) / _pixels(first)
    vehicles = _vehicles(first, answers)
    plates = Detections.concatenated(answers).plates.above(least).nms(*PLATE_NMS)
    limited = options.HasField("zoom_in_vehicles")
    limit = options.zoom_in_vehicles if limited else MAX_VEHICLES
    certain = boxes_of(plates.above(CERTAIN))
    empty = _without_plate(boxes_of(vehicles.above(ZOOM_THRESHOLD)), certain)
    if limit and not fast and (empty or not certain):
        farther = not certain and not len(vehicles.above(CERTAIN))
        tiles = tiles and not limited and not certain
        wanted = await asyncio.to_thread(_second_views, image, first[0], empty, limit, farther=farther, tiles=tiles)
        further = in_time(wanted, pace, deadline - time.time())
        answers = [answer.plates.above(least) for answer in await _detect_in_batches(model, further)]
        plates = Detections.concatenated([plates, *answers]).nms(*PLATE_NMS)
    return plates, vehicles


async def _turned(
    model: Model,
    image: Image,
    turns: int,
    options: domain_pb2.Options,
    least: float,
    deadline: float,
    *,
    tiles: bool = True,
) -> tuple[Detections, Detections]:
    """Search the picture turned by `turns` quarter turns; the result is in pixels of the unturned picture."""
    height, width = image.shape[:2]
    rotated = await asyncio.to_thread(tiling.turned, image, turns)
    plates, vehicles = await _plates_and_vehicles(model, rotated, options, least, deadline, tiles=tiles)
    return plates.turned_back(turns, width, height), vehicles.turned_back(turns, width, height)


async def _rotation(model: Model, image: Image, least: float) -> int:
    """The number of quarter turns after which the picture shows a certain vehicle with a score of at least `least`; 0
    if there is none."""
    answers = await _detect(model, await asyncio.to_thread(tiling.turns, image))
    scores = [float(answer.vehicles.scores.max(initial=0)) for answer in answers]
    return tiling.TURNS[int(np.argmax(scores))] if max(scores) >= max(CERTAIN, least) else 0


def _vehicles(views: tuple[View, ...], answers: list[Detections]) -> Detections:
    """The vehicles of the only view; or, of two, the distant ones of the large view and all of the small view."""
    found = [answer.vehicles.above(VEHICLE_THRESHOLD) for answer in answers]
    if len(found) > 1:
        size = found[0].boxes[:, 2:] - found[0].boxes[:, :2]
        found[0] = found[0][np.sqrt(size.prod(axis=1)) * views[0].fit.scale <= FAR]
    return Detections.concatenated(found).nms(VEHICLE_NMS)


def _without_plate(vehicles: Sequence[Box], plates: Sequence[Box]) -> list[Box]:
    return [vehicle for vehicle in vehicles if not any(plate.intersection(vehicle) > 0 for plate in plates)]


def _second_views(
    image: Image, large: View, empty: list[Box], limit: int, *, farther: bool, tiles: bool
) -> list[list[View]]:
    """The views of the second step in groups, the most promising group first; a group has one canvas size.

    `empty`: the vehicles without a certain plate, of which at most `limit` are shown.
    """
    closer = tiling.closer(image, empty, large.fit.scale)[:limit]
    return [*([tiling.farther(image)] if farther else []), *([tiling.tiles(image)] if tiles else []), *closer]


def in_time(wanted: list[list[View]], pace: float, left: float) -> list[View]:
    """As many of the first groups of views as there is time for, at `pace` seconds a pixel, with `left` seconds until
    the deadline."""
    spent = accumulate(pace * _pixels(views) for views in wanted)
    return [
        view for views, seconds in zip(wanted, spent, strict=True) if seconds <= TIME_SHARE * left for view in views
    ]


def _pixels(views: Sequence[View]) -> int:
    return sum(view.canvas.shape[0] * view.canvas.shape[1] for view in views)


async def _detect_in_batches(model: Model, views: list[View]) -> list[Detections]:
    """As `_detect`, for views of any canvas size, with one request for each size."""

    def size(view: View) -> tuple[int, ...]:
        return view.canvas.shape

    batches = [list(batch) for _, batch in groupby(sorted(views, key=size), key=size)]
    answers = await asyncio.gather(*(_detect(model, batch) for batch in batches))
    return [answer for batch in answers for answer in batch]


async def _detect(model: Model, views: list[View]) -> list[Detections]:
    """The detections of each view, in pixels of the picture; the views have one canvas size and go in one request."""
    canvases = [view.canvas for view in views]
    answers = await model(np.stack(canvases) if canvases[1:] else canvases[0][None])
    return [view.in_picture(answer) for view, answer in zip(views, answers, strict=True)]


def _found(
    plates: Detections, scores: NDArray[np.float32], vehicles: Detections, image: Image, policy: ReportingPolicy
) -> Found:
    height, width = image.shape[:2]
    vehicles = vehicles[:MAX_VEHICLES]
    plate_boxes = boxes_of(plates)
    vehicle_boxes = boxes_of(vehicles)
    owners = associate(plate_boxes, vehicle_boxes)
    places: Counter[int] = Counter()
    kept: list[FoundPlate] = []
    for i, (box, owner) in enumerate(zip(plate_boxes, owners, strict=True)):
        if owner is not None:
            places[owner] += 1
        if policy.may_be_reported(float(scores[i]), None if owner is None else places[owner]):
            box = box.clipped(width, height)
            corners = plates.corners[i]
            kept.append(FoundPlate(box, box, corners, box.corners(corners), float(scores[i]), owner))
    return Found(
        tuple(kept[: policy.max_plates]),
        tuple(
            FoundVehicle(box.clipped(width, height), float(vehicles.scores[i])) for i, box in enumerate(vehicle_boxes)
        ),
    )


def boxes_of(detections: Detections) -> list[Box]:
    return [Box(*(float(value) for value in row)) for row in detections.boxes]
