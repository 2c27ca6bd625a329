"""One job: decode, detect, align, cut out, hand on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from detector import zones
from detector.alignment import with_aligned_corners
from detector.detections import Detections
from detector.search import MAX_PLATES, Found, search
from platelane import images, models
from platelane.bus import Bus, subjects
from platelane.crops import Image, crop_vehicle, rectify_plate
from platelane.geometry import Box
from platelane.inference import InferenceClient
from platelane.pb.v1 import domain_pb2, stages_pb2

log = structlog.get_logger(__name__)


class Detector:
    """Handles `stages_pb2.Job`: publishes the detection part, then the crops that other services read.

    The part is stored before any other of its job can be, so that it is never the one that completes a job with crops.
    """

    def __init__(self, bus: Bus, inference: InferenceClient) -> None:
        self._bus = bus
        self._inference = inference

    async def __call__(self, job: stages_pb2.Job) -> None:
        """Raises: BadImage, and what the bus and the inference client raise."""
        deadline = job.context.deadline_us / 1e6

        image = await asyncio.to_thread(images.decode, job.image)
        found = await find(self._inference, image, job.options, deadline)
        part = _part(job, image, found)
        stored = self._bus.publish(
            subjects.part(job.context.id, subjects.DETECTION), part, f"{job.context.id}.detection", deadline
        )
        crops, _ = await asyncio.gather(asyncio.to_thread(cut, image, found, _attributed(part)), stored)
        messages = []
        if crops.plates:
            plates = stages_pb2.PlateCrops(
                context=job.context, options=job.options, crops=crops.plates, other_crops=crops.other_plates
            )
            messages.append(self._bus.publish(subjects.PLATE_CROPS, plates, f"{job.context.id}.plates", deadline))
        if crops.vehicles:
            vehicles = stages_pb2.VehicleCrops(context=job.context, options=job.options, crops=crops.vehicles)
            messages.append(self._bus.publish(subjects.VEHICLE_CROPS, vehicles, f"{job.context.id}.vehicles", deadline))
        await asyncio.gather(*messages)
        log.debug("detected", plates=len(found.plates), vehicles=len(found.vehicles))


async def find(inference: InferenceClient, image: Image, options: domain_pb2.Options, deadline: float) -> Found:
    """Search a picture with the served detector, and align the plates with the served aligner.

    Args:
        deadline: in Unix seconds.

    Raises: what the inference client raises.
    """

    async def detector(canvases: NDArray[np.uint8]) -> list[Detections]:
        outputs: dict[str, NDArray[Any]] = await inference.infer(models.DETECTOR, canvases, deadline)
        return Detections.of_outputs(outputs)

    async def aligner(crops: Sequence[bytes]) -> NDArray[np.float32]:
        outputs: dict[str, NDArray[Any]] = await inference.infer(models.ALIGNER, crops, deadline)
        return outputs["corners"]

    return await with_aligned_corners(aligner, image, await search(detector, image, options))


def _part(job: stages_pb2.Job, image: Image, found: Found) -> stages_pb2.DetectionPart:
    """What was found, without readings; in plate mode, and in detection zones, only the vehicles that carry a plate."""
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
        part.plates.append(domain_pb2.Plate(box=_message(plate.box), corners=corners, detection_score=plate.score))
        part.plate_vehicle.append(-1 if plate.vehicle is None else position[plate.vehicle])
    for index in shown:
        vehicle = found.vehicles[index]
        part.vehicles.append(domain_pb2.Vehicle(box=_message(vehicle.box), detection_score=vehicle.score))
    if part.plates:
        part.due.append(stages_pb2.STAGE_PLATES)
    if part.vehicles:
        part.due.append(stages_pb2.STAGE_VEHICLES)
    return part


def _attributed(part: stages_pb2.DetectionPart) -> list[Box]:
    return [Box(v.box.xmin, v.box.ymin, v.box.xmax, v.box.ymax) for v in part.vehicles]


@dataclass(frozen=True, slots=True)
class Crops:
    """What the next models look at: UINT8 tensors of their input shapes, row-major."""

    plates: list[bytes]
    other_plates: list[bytes]
    """Each plate by its second corners, and by its box: wrong corners mislead the reader more than a slant does."""
    vehicles: list[bytes]


def cut(image: Image, found: Found, vehicles: list[Box]) -> Crops:
    """The plates that were found, more than `MAX_PLATES` in one cut each, and `vehicles`."""
    cut_again = found.plates if len(found.plates) <= MAX_PLATES else ()
    return Crops(
        [rectify_plate(image, plate.corners).tobytes() for plate in found.plates],
        [
            rectify_plate(image, corners).tobytes()
            for plate in cut_again
            for corners in (plate.corners_again, plate.box.corners())
        ],
        [crop_vehicle(image, box).tobytes() for box in vehicles],
    )


def _message(box: Box) -> domain_pb2.Box:
    return domain_pb2.Box(xmin=box.xmin, ymin=box.ymin, xmax=box.xmax, ymax=box.ymax)
