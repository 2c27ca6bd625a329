"""One job's plates: read them all in one request, hand on texts, candidates and regions."""

from __future__ import annotations

import structlog

from ocr.guidance import Guidance
from ocr.reading import read
from platelane import models
from platelane.bus import Bus, subjects
from platelane.inference import InferenceClient
from platelane.pb.v1 import stages_pb2

log = structlog.get_logger(__name__)


class Reader:
    """Handles `stages_pb2.PlateCrops`: publishes a `PlatesPart` in the order of the crops."""

    def __init__(self, bus: Bus, inference: InferenceClient) -> None:
        self._bus = bus
        self._inference = inference
        self._characters = models.characters()
        self._codes = models.regions()

    async def __call__(self, job: stages_pb2.PlateCrops) -> None:
        """Raises: what the bus and the inference client raise; BadRequest for text formats that cannot be used."""
        guidance = Guidance.of(job.options)
        deadline = job.context.deadline_us / 1e6
        outputs = await self._inference.infer(models.READER, job.crops, deadline)
        plates = [
            read(frames, regions, self._characters, self._codes, guidance)
            for frames, regions in zip(outputs["characters"], outputs["region"], strict=True)
        ]
        part = stages_pb2.PlatesPart(context=job.context, plates=plates)
        subject = subjects.part(job.context.id, subjects.PLATES)
        await self._bus.publish(subject, part, f"{job.context.id}.read", deadline)
        log.debug("read", texts=[plate.text for plate in plates])
