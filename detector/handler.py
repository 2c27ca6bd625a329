"""One job: decode, detect, refine corners, crop, publish."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from detector import zones
from detector.calibration import Calibration
from detector.corner_refinement import refine_corners
from detector.detections import Detections
from detector.search import Found, search
from platelane.bus import MessageInfo, subjects
from platelane.bus.publisher import Publisher
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.reporting import MAX_PLATES
from platelane.vision import model_specs
from platelane.vision.crops import Image, crop_vehicle, rectify_plate
from platelane.vision.decoders import Decode
from platelane.vision.geometry import Box
from platelane.vision.inference import Inference

log = structlog.get_logger(__name__)


class Keeper(Protocol):
    """Keeps small pictures; `detector.picture_keeper.PictureKeeper` does it in NATS."""

    async def keep(self, image: Image, part: stages_pb2.DetectionPart) -> None:
        """Keep pictures of the plates that have a number in `crop`. They are stored in the background."""
        ...


class Detector:
    """Handles `stages_pb2.Job`: publishes the detection part, then the crops that other services read.

    The detection part is stored before any other part of the job, so it never completes a job that has crops.
    """

    def __init__(
        self,
        bus: Publisher,
        inference: Inference,
        calibration: Calibration,
        decode: Decode,
        keeper: Keeper | None = None,
    ) -> None:
        """`keeper` keeps small pictures of the plates and vehicles; None if none are kept."""
        self._decode = decode
        self._bus = bus
        self._inference = inference
        self._calibration = calibration
        self._keeper = keeper

    async def __call__(self, job: stages_pb2.Job, _info: MessageInfo) -> None:
        """Raises: BadImage, and what the bus and the inference client raise."""
        deadline = job.context.deadline_us / 1e6

        decoded = await asyncio.to_thread(self._decode, job.image, deadline)
        if decoded.truncated:
            log.info("picture_truncated", camera=job.context.camera_id, bytes=len(job.image))
        image = decoded.image
        found = await find(self._inference, image, job.options, self._calibration, deadline)
        part = detection_part(job, image, found)
        # redaction hides what it finds, so nothing of it is kept
        kept = self._keeper is not None and job.options.mode != domain_pb2.MODE_REDACTION
        for number, plate in enumerate(part.plates[:MAX_PLATES] if kept else ()):
            plate.crop = number
        stored = self._bus.publish_job_message(subjects.part(job.context.id, subjects.DETECTION), part, "detection")
        crops, _ = await asyncio.gather(asyncio.to_thread(crop, image, found, vehicle_boxes(part)), stored)
        messages = []
        if crops.plates:
            plates = stages_pb2.PlateCrops(
                context=job.context, options=_reading(job.options), crops=crops.plates, other_crops=crops.other_plates
            )
            messages.append(self._bus.publish_job_message(subjects.PLATE_CROPS, plates, "plates"))
        if crops.vehicles:
            vehicles = stages_pb2.VehicleCrops(context=job.context, crops=crops.vehicles)
            messages.append(self._bus.publish_job_message(subjects.VEHICLE_CROPS, vehicles, "vehicles"))
        await asyncio.gather(*messages)
        if kept and self._keeper:
            await self._keeper.keep(image, part)
        log.debug("detected", plates=len(found.plates), vehicles=len(found.vehicles))


async def find(
    inference: Inference, image: Image, options: domain_pb2.Options, calibration: Calibration, deadline: float
) -> Found:
    """Search a picture with the served detector, and refine the plates' corners with the served aligner.

    Args:
        deadline: in Unix seconds.

    Raises: what the inference client raises.
    """

    async def detector(canvases: NDArray[np.uint8]) -> list[Detections]:
        outputs: dict[str, NDArray[Any]] = await inference.infer(model_specs.DETECTOR, canvases, deadline)
        return Detections.of_outputs(outputs)

    async def aligner(crops: Sequence[bytes]) -> NDArray[np.float32]:
        outputs: dict[str, NDArray[Any]] = await inference.infer(model_specs.ALIGNER, crops, deadline)
        return outputs["corners"]

    return await refine_corners(aligner, image, await search(detector, image, options, calibration, deadline))


def detection_part(job: stages_pb2.Job, image: Image, found: Found) -> stages_pb2.DetectionPart:
    """The detections as a message. In plate mode, and inside detection zones, only vehicles that carry a plate."""
    height, width = image.shape[:2]
    carrying = {plate.vehicle for plate in found.plates}
    boxes = np.array([astuple(vehicle.box) for vehicle in found.vehicles], dtype=np.float32).reshape(-1, 4)
    wanted = zones.outside(boxes, job.options.excluded, width, height) & job.options.vehicles
    shown = [*np.flatnonzero(wanted).tolist(), *(i for i in np.flatnonzero(~wanted).tolist() if i in carrying)]
    position = {index: place for place, index in enumerate(shown)}
    part = stages_pb2.DetectionPart(
        context=job.context,
        options=job.options,
        image_width=width,
        image_height=height,
        reported_vehicles=int(np.count_nonzero(wanted)),
    )
    for plate in found.plates:
        corners = [domain_pb2.Point(x=float(x), y=float(y)) for x, y in plate.corners]
        part.plates.append(domain_pb2.Plate(box=_message(plate.bounds), corners=corners, detection_score=plate.score))
        part.plate_vehicle.append(-1 if plate.vehicle is None else position[plate.vehicle])
    for index in shown:
        vehicle = found.vehicles[index]
        part.vehicles.append(domain_pb2.Vehicle(box=_message(vehicle.box), detection_score=vehicle.score))
    if part.plates:
        part.due.append(stages_pb2.STAGE_PLATES)
    if part.vehicles:
        part.due.append(stages_pb2.STAGE_VEHICLES)
    return part


def _reading(options: domain_pb2.Options) -> stages_pb2.ReadingOptions:
    return stages_pb2.ReadingOptions(
        regions=options.regions,
        strict_region=options.strict_region,
        text_formats=options.text_formats,
        characters=options.characters,
    )


def vehicle_boxes(part: stages_pb2.DetectionPart) -> list[Box]:
    """The boxes of the vehicles whose attributes are needed."""
    return [Box(v.box.xmin, v.box.ymin, v.box.xmax, v.box.ymax) for v in part.vehicles]


@dataclass(frozen=True, slots=True)
class Crops:
    """The inputs of the next models: UINT8 tensors of their input shapes, row-major."""

    plates: list[bytes]
    other_plates: list[bytes]
    """Each plate cut by the corners refined from its box, and by the box: wrong corners hurt more than a slant."""
    vehicles: list[bytes]


def crop(image: Image, found: Found, vehicles: list[Box]) -> Crops:
    """The plates, all of them only by their corners if there are more than `MAX_PLATES`; and `vehicles`."""
    recropped = found.plates if len(found.plates) <= MAX_PLATES else ()
    return Crops(
        [rectify_plate(image, plate.corners).tobytes() for plate in found.plates],
        [
            rectify_plate(image, corners).tobytes()
            for plate in recropped
            for corners in (plate.corners_from_box, plate.box.corners(plate.corners))
        ],
        [crop_vehicle(image, box).tobytes() for box in vehicles],
    )


def _message(box: Box) -> domain_pb2.Box:
    return domain_pb2.Box(xmin=box.xmin, ymin=box.ymin, xmax=box.xmax, ymax=box.ymax)
