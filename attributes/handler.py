"""Classifies the vehicles of one job in one request."""

from __future__ import annotations

import structlog

from attributes.decode import decode
from platelane.bus import MessageInfo, subjects
from platelane.bus.publisher import Publisher
from platelane.pb.v1 import stages_pb2
from platelane.vision.inference import Inference
from platelane.vision.model_specs import ModelRepository

log = structlog.get_logger(__name__)


class Classifier:
    """Handles `stages_pb2.VehicleCrops`: publishes a `VehiclesPart` in the order of the crops."""

    def __init__(self, bus: Publisher, inference: Inference, models: ModelRepository) -> None:
        self._bus = bus
        self._inference = inference
        self._model = models.attributes
        self._labels = models.attribute_labels

    async def __call__(self, job: stages_pb2.VehicleCrops, _info: MessageInfo) -> None:
        """Raises: what the bus and the inference client raise."""
        deadline = job.context.deadline_us / 1e6
        outputs = await self._inference.infer(self._model, job.crops, deadline)
        vehicles = [
            decode({name: values[i] for name, values in outputs.items()}, self._labels) for i in range(len(job.crops))
        ]
        part = stages_pb2.VehiclesPart(context=job.context, vehicles=vehicles)
        subject = subjects.part(job.context.id, subjects.VEHICLES)
        await self._bus.publish_job_message(subject, part, "described")
        log.debug("attributes_decoded", vehicles=len(vehicles))
