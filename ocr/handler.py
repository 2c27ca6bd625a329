"""One job's plates: read them all in one request, hand on texts, candidates and regions."""

from __future__ import annotations

from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray
from platelane.inference import InferenceClient

from ocr import ctc
from platelane import models
from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2

log = structlog.get_logger(__name__)

MAX_CANDIDATES: Final = 5
MAX_REGIONS: Final = 3
_MIN_CANDIDATE: Final = 0.01
"""Candidates whose probability is below this share of the best one's are not worth an operator's look."""


class Reader:
    """Handles `stages_pb2.PlateCrops`: publishes a `PlatesPart` in the order of the crops."""

    def __init__(self, bus: Bus, inference: InferenceClient) -> None:
        self._bus = bus
        self._inference = inference
        self._characters = models.characters()
        self._regions = models.regions()

    async def handle(self, job: stages_pb2.PlateCrops) -> None:
        deadline = job.context.deadline_us / 1e6
        outputs = await self._inference.infer(models.READER, job.crops, deadline)
        plates = [
            self._read(frames, regions)
            for frames, regions in zip(outputs["characters"], outputs["region"], strict=True)
        ]
        part = stages_pb2.PlatesPart(context=job.context, plates=plates)
        subject = subjects.part(job.context.id, subjects.PLATES)
        await self._bus.publish(subject, part, f"{job.context.id}.read", deadline)
        log.debug("read", texts=[plate.text for plate in plates])

    def _read(self, frames: NDArray[np.float32], regions: NDArray[np.float32]) -> domain_pb2.Plate:
        """frames: FP32 (T, 37); regions: FP32 (R,)."""
        texts = ctc.beam_search(frames)
        best = texts[0]
        candidates = [text for text in texts if text.probability >= _MIN_CANDIDATE * best.probability]
        return domain_pb2.Plate(
            text=self._text(best),
            text_score=best.confidence,
            candidates=[
                domain_pb2.Scored(value=self._text(text), score=text.confidence) for text in candidates[:MAX_CANDIDATES]
            ],
            regions=[
                domain_pb2.Scored(value=self._regions[i], score=float(regions[i]))
                for i in np.argsort(-regions)[:MAX_REGIONS]
            ],
            character_scores=ctc.character_scores(frames, best),
        )

    def _text(self, text: ctc.Text) -> str:
        return "".join(self._characters[index] for index in text.characters)
