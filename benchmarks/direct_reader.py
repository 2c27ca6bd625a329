"""Reading without gateway, bus and services: one process decodes, runs the models and assembles the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from numpy.typing import NDArray

from aggregator.assembly import assemble
from attributes.decode import decode
from detector.calibration import Calibration
from detector.handler import crop, detection_part, find, vehicle_boxes
from ocr import region_prior
from ocr.plates import CropReader
from platelane.bus import subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.rest_json import recognition_body
from platelane.vision import decoding
from platelane.vision.inference import Inference
from platelane.vision.model_specs import ModelRepository

PATIENCE: Final = 30.0


class DirectReader:
    """Does everything that the services compute for a photograph, in the same order and with the same overlap."""

    def __init__(self, inference: Inference, models: ModelRepository) -> None:
        self._inference = inference
        self._models = models
        self._calibration = Calibration.of(models)
        self._templates = region_prior.templates(models.regions, models.template_fit_file)

    async def read(self, photo: bytes, options: domain_pb2.Options) -> dict[str, Any]:
        """The answer for an encoded picture."""
        deadline = time.time() + PATIENCE
        job = stages_pb2.Job(options=options)
        job.context.accepted_us = time.time_ns() // 1000
        image = (await asyncio.to_thread(decoding.decode, photo)).image
        found = await find(self._inference, image, options, self._calibration, deadline)
        part = detection_part(job, image, found)
        crops = await asyncio.to_thread(crop, image, found, vehicle_boxes(part))
        plates, vehicles = await asyncio.gather(
            self._plates(crops.plates, crops.other_plates, deadline), self._vehicles(crops.vehicles, deadline)
        )
        parts = {
            subjects.DETECTION: part.SerializeToString(),
            subjects.PLATES: stages_pb2.PlatesPart(plates=plates).SerializeToString(),
            subjects.VEHICLES: stages_pb2.VehiclesPart(vehicles=vehicles).SerializeToString(),
        }
        recognition = assemble(parts, self._models.dscore)
        if recognition is None:
            raise RuntimeError("a part is missing")
        return recognition_body(recognition)

    async def _plates(
        self, crops: Sequence[bytes], others: Sequence[bytes], deadline: float
    ) -> Sequence[domain_pb2.Plate]:
        async def model(chosen: Sequence[bytes]) -> dict[str, NDArray[Any]]:
            return await self._inference.infer(self._models.reader, chosen, deadline)

        if not crops:
            return ()
        characters, score = self._models.characters, self._models.text_score
        return await CropReader(model, characters, self._templates, text_score=score).read(crops, others)

    async def _vehicles(self, crops: Sequence[bytes], deadline: float) -> Sequence[domain_pb2.Vehicle]:
        if not crops:
            return ()
        outputs = await self._inference.infer(self._models.attributes, crops, deadline)
        heads = ({name: values[i] for name, values in outputs.items()} for i in range(len(crops)))
        return [decode(each, self._models.attribute_labels) for each in heads]
