"""Reads the plates of one job together, and publishes texts, candidates and regions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from numpy.typing import NDArray

from ocr.guidance import Guidance
from ocr.plates import CropReader
from ocr.region_prior import Templates
from platelane.bus import MessageInfo, subjects
from platelane.bus.publisher import Publisher
from platelane.pb.v1 import stages_pb2
from platelane.vision.inference import Inference
from platelane.vision.model_specs import ModelRepository

log = structlog.get_logger(__name__)


class Reader:
    """Handles `stages_pb2.PlateCrops`: publishes a `PlatesPart` in the order of the crops."""

    def __init__(self, bus: Publisher, inference: Inference, models: ModelRepository, templates: Templates) -> None:
        self._bus = bus
        self._inference = inference
        self._model = models.reader
        self._characters = models.characters
        self._templates = templates
        self._text_score = models.text_score

    async def __call__(self, job: stages_pb2.PlateCrops, _info: MessageInfo) -> None:
        """Raises: what the bus and the inference client raise; BadRequest for text formats that cannot be used."""
        options = job.options
        # building the automata of new regions or formats takes a while
        named = options.regions or options.text_formats
        guidance = await asyncio.to_thread(Guidance.of, options) if named else Guidance.of(options)
        deadline = job.context.deadline_us / 1e6

        async def model(crops: Sequence[bytes]) -> dict[str, NDArray[Any]]:
            return await self._inference.infer(self._model, crops, deadline)

        reader = CropReader(
            model, self._characters, self._templates, guidance, options.characters, text_score=self._text_score
        )
        plates = await reader.read(job.crops, job.other_crops)
        part = stages_pb2.PlatesPart(context=job.context, plates=plates)
        subject = subjects.part(job.context.id, subjects.PLATES)
        await self._bus.publish_job_message(subject, part, "read")
        log.debug("read", texts=[plate.text for plate in plates])
