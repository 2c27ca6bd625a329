"""Finding plates and vehicles in a picture: two views of all of it, then more where no plate is sure."""

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
"""Score from which on a vehicle without a plate is shown enlarged."""
FAR: Final = 70.0
"""Size in pixels of the large view, the root of the area, up to which vehicles are taken from it. Of larger ones it
shows parts; the small view shows them whole."""
VEHICLE_NMS: Final = 0.4
"""IoU from which on only the better of two vehicles is kept; one that another hides most of is a vehicle, too."""
MAX_VEHICLES: Final = 48
TIME_SHARE: Final = 0.5
"""Share of the time until the deadline that the second step may take, judged by how long the first took."""
CERTAIN: Final = 0.6
"""Score from which on no other plate is sought in its place."""
TURN_GAIN: Final = 0.25
"""By how much the score of a vehicle has to be higher in a turned picture for the picture to be taken for turned; twice
as much where a plate is certain as it is, which is seldom so of one on its side, but often of one upside down."""
PLATE_NMS: Final = (0.4, 0.7)
"""IoU and containment from which on only the better of two plates is kept."""


class Model(Protocol):
    """The detection model: UINT8 (B, H, W, 3) in, one `Detections` in canvas pixels for each of the batch out."""

    async def __call__(self, canvases: NDArray[np.uint8]) -> list[Detections]: ...


@dataclass(frozen=True, slots=True)
class FoundPlate:
    box: Box
    """The detector's: plates are cut by it and belong to vehicles by it."""
    bounds: Box
    """What is reported: around the refined corners; `box` until the aligner has seen the plate."""
    corners: Corners
    corners_from_box: Corners
    """Refined from the box instead of from the detector's corners; those of the box until the aligner has seen it."""
    score: float
    """Calibrated: the probability of a plate, judged by the detector alone."""
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


async def search(
    model: Model, image: Image, options: domain_pb2.Options, calibration: Calibration, deadline: float
) -> Found:
    """Detect in two steps, or (fast) by one view; and turned, where the picture may hang upside down or on its side.

    The first step shows all of the picture twice, large for what is far and small for what is near. The second shows
    vehicles without a sure plate enlarged; where no plate is sure, all of the picture in tiles; and where there are no
    vehicles either, from farther away, for a picture that is little more than a plate. A caller's `zoom_in_vehicles`
    limits the vehicles, and then there are no tiles.

    Redaction looks at the picture in all of its quarter turns, because a plate that stays legible is worse than one
    that is covered for nothing. Otherwise it is searched as it hangs if it shows no vehicle for certain, but does so
    when it is turned.

    Found is what may be reported once it has been read (`platelane.reporting`). `deadline`, in Unix seconds, bounds the
    second step.
    """
    height, width = image.shape[:2]
    policy = ReportingPolicy.of(options, calibration.dscore)
    least = calibration.detection.uncalibrated(policy.least_detection)
    plates, vehicles = await _plates_and_vehicles(model, image, options, least, deadline)
    if options.mode == domain_pb2.MODE_REDACTION:
        # without tiles: in three of the four turns no plate is ever sure
        turned = [await _turned(model, image, turns, options, least, deadline, tiles=False) for turns in tiling.TURNS]
        plates = Detections.concatenated([plates, *(found for found, _ in turned)]).nms(*PLATE_NMS)
    elif options.mode != domain_pb2.MODE_FAST and not len(vehicles.above(CERTAIN)):
        gain = 2 * TURN_GAIN if len(plates.above(CERTAIN)) else TURN_GAIN
        turns = await _hangs(model, image, float(vehicles.scores.max(initial=0)) + gain)
        if turns:
            upright = plates.above(CERTAIN)
            plates, vehicles = await _turned(model, image, turns, options, least, deadline)
            plates = _with_apart(plates, upright)
    # before plates are counted per vehicle, so that overlay text does not take a plate's place
    plates = plates[zones.outside(plates.boxes, options.excluded, width, height)]
    return _found(plates, calibration.detection.calibrated(plates.scores), vehicles, image, policy)


def _with_apart(found: Detections, others: Detections) -> Detections:
    """Those found, and of others those that overlap none of them: a picture need not hang as a vehicle in it does."""
    places = boxes_of(found)
    apart = [not any(box.intersection(place) > 0 for place in places) for box in boxes_of(others)]
    return Detections.concatenated([found, others[np.flatnonzero(apart)]])


async def _plates_and_vehicles(
    model: Model, image: Image, options: domain_pb2.Options, least: float, deadline: float, *, tiles: bool = True
) -> tuple[Detections, Detections]:
    """What the picture shows as it is, in two steps or one."""
    fast = options.mode == domain_pb2.MODE_FAST
    first = await asyncio.to_thread(tiling.once if fast else tiling.whole, image)
    began = time.monotonic()
    answers = [answer for (answer,) in await asyncio.gather(*(_seen(model, [view]) for view in first))]
    pace = (time.monotonic() - began) / _pixels(first)
    seen = Detections.concatenated(answers)
    vehicles = _vehicles(first, answers)
    plates = seen.plates.above(least).nms(*PLATE_NMS)
    limited = options.HasField("zoom_in_vehicles")
    limit = options.zoom_in_vehicles if limited else MAX_VEHICLES
    if limit and not fast:
        tiles = tiles and not limited
        wanted = await asyncio.to_thread(_second_views, image, first[0], plates, vehicles, limit, tiles=tiles)
        further = in_time(wanted, pace, deadline - time.time())
        answers = [answer.plates.above(least) for answer in await _seen_in_batches(model, further)]
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
    """What it shows by so many quarter turns, in pixels of the picture as it is."""
    height, width = image.shape[:2]
    upright = await asyncio.to_thread(tiling.turned, image, turns)
    plates, vehicles = await _plates_and_vehicles(model, upright, options, least, deadline, tiles=tiles)
    return plates.turned_back(turns, width, height), vehicles.turned_back(turns, width, height)


async def _hangs(model: Model, image: Image, least: float) -> int:
    """The quarter turns after which the picture shows a vehicle for certain, and with a score of at least `least`; 0 if
    it never does."""
    seen = await _seen(model, await asyncio.to_thread(tiling.turns, image))
    scores = [float(answer.vehicles.scores.max(initial=0)) for answer in seen]
    return tiling.TURNS[int(np.argmax(scores))] if max(scores) >= max(CERTAIN, least) else 0


def _vehicles(taken: tuple[View, ...], answers: list[Detections]) -> Detections:
    """Those of the one view, or of two the large view's far ones and the small view's."""
    seen = [answer.vehicles.above(VEHICLE_THRESHOLD) for answer in answers]
    if len(seen) > 1:
        size = seen[0].boxes[:, 2:] - seen[0].boxes[:, :2]
        seen[0] = seen[0][np.sqrt(size.prod(axis=1)) * taken[0].fit.scale <= FAR]
    return Detections.concatenated(seen).nms(VEHICLE_NMS)


def _second_views(
    image: Image, large: View, plates: Detections, vehicles: Detections, limit: int, *, tiles: bool
) -> list[list[View]]:
    """What the second step shows, the most promising first: views that belong together, each of one canvas size."""
    certain = boxes_of(plates.above(CERTAIN))
    worthy = boxes_of(vehicles.above(ZOOM_THRESHOLD))
    empty = [box for box in worthy if not any(plate.intersection(box) > 0 for plate in certain)]
    closer = tiling.closer(image, empty, large.fit.scale)[:limit]
    if certain:
        return closer
    farther = [] if len(vehicles.above(CERTAIN)) else [tiling.farther(image)]
    return [*farther, *([tiling.tiles(image)] if tiles else []), *closer]


def in_time(wanted: list[list[View]], pace: float, left: float) -> list[View]:
    """The first of the views for which there is time: `pace` seconds a pixel, `left` seconds until the deadline."""
    spent = accumulate(pace * _pixels(views) for views in wanted)
    return [
        view for views, seconds in zip(wanted, spent, strict=True) if seconds <= TIME_SHARE * left for view in views
    ]


def _pixels(views: Sequence[View]) -> int:
    return sum(view.canvas.shape[0] * view.canvas.shape[1] for view in views)


async def _seen_in_batches(model: Model, taken: list[View]) -> list[Detections]:
    """As `_seen`, of views of any canvas size: one request for each size."""

    def size(view: View) -> tuple[int, ...]:
        return view.canvas.shape

    batches = [list(views) for _, views in groupby(sorted(taken, key=size), key=size)]
    return [answer for seen in await asyncio.gather(*(_seen(model, batch) for batch in batches)) for answer in seen]


async def _seen(model: Model, taken: list[View]) -> list[Detections]:
    """What each view shows, in pixels of the picture; the views are of one canvas size and go in one request."""
    answers = await model(np.stack([view.canvas for view in taken]))
    return [view.in_picture(answer) for view, answer in zip(taken, answers, strict=True)]


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
