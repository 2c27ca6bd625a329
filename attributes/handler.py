"""One job's vehicles: classify them all in one request."""

from __future__ import annotations

import structlog

from attributes.description import describe
from platelane import models
from platelane.bus import Bus, subjects
from platelane.inference import InferenceClient
from platelane.pb.v1 import stages_pb2

log = structlog.get_logger(__name__)


class Classifier:
    """Handles `stages_pb2.VehicleCrops`: publishes a `VehiclesPart` in the order of the crops."""

    def __init__(self, bus: Bus, inference: InferenceClient) -> None:
        self._bus = bus
        self._inference = inference
        self._labels = models.attribute_labels()

    async def __call__(self, job: stages_pb2.VehicleCrops) -> None:
        """Raises: what the bus and the inference client raise."""
        deadline = job.context.deadline_us / 1e6
        outputs = await self._inference.infer(models.ATTRIBUTES, job.crops, deadline)
        vehicles = [
            describe({name: values[i] for name, values in outputs.items()}, self._labels) for i in range(len(job.crops))
        ]
        part = stages_pb2.VehiclesPart(context=job.context, vehicles=vehicles)
        subject = subjects.part(job.context.id, subjects.VEHICLES)
        await self._bus.publish(subject, part, f"{job.context.id}.described", deadline)
        log.debug("described", vehicles=len(vehicles))
