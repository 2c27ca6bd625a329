"""One job's plates: read them all together, hand on texts, candidates and regions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from numpy.typing import NDArray

from ocr.guidance import Guidance
from ocr.plates import read_plates
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
        options = job.options
        # the first time that regions are named, their automaton is made
        guidance = await asyncio.to_thread(Guidance.of, options) if options.regions else Guidance.of(options)
        deadline = job.context.deadline_us / 1e6

        async def model(crops: Sequence[bytes]) -> dict[str, NDArray[Any]]:
            return await self._inference.infer(models.READER, crops, deadline)

        plates = await read_plates(model, job.crops, job.other_crops, self._characters, self._codes, guidance)
        part = stages_pb2.PlatesPart(context=job.context, plates=plates)
        subject = subjects.part(job.context.id, subjects.PLATES)
        await self._bus.publish(subject, part, f"{job.context.id}.read", deadline)
        log.debug("read", texts=[plate.text for plate in plates])
