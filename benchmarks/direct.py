"""The same reading without gateway, bus and services: one process that calls the models through Triton."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from attributes.description import describe
from detector.handler import Crops, cut, find
from ocr.plates import read_plates
from platelane import images, models
from platelane.inference import InferenceClient
from platelane.pb.v1 import domain_pb2

PATIENCE = 30.0


class DirectReader:
    """Everything the services compute for one photograph, in the order and with the overlap that they do."""

    def __init__(self, inference: InferenceClient) -> None:
        self._inference = inference

    async def read(self, photo: bytes, options: domain_pb2.Options) -> list[str]:
        """The texts of the plates in the encoded picture."""
        deadline = time.time() + PATIENCE
        image = await asyncio.to_thread(images.decode, photo)
        found = await find(self._inference, image, options, deadline)
        carrying = {plate.vehicle for plate in found.plates}
        boxes = [vehicle.box for i, vehicle in enumerate(found.vehicles) if i in carrying or options.vehicles]
        crops = await asyncio.to_thread(cut, image, found, boxes)
        texts, _ = await asyncio.gather(self._texts(crops, deadline), self._describe(crops.vehicles, deadline))
        return texts

    async def _texts(self, crops: Crops, deadline: float) -> list[str]:
        async def model(chosen: Sequence[bytes]) -> dict[str, NDArray[Any]]:
            return await self._inference.infer(models.READER, chosen, deadline)

        if not crops.plates:
            return []
        plates = await read_plates(model, crops.plates, crops.other_plates, models.characters(), models.regions())
        return [plate.text for plate in plates]

    async def _describe(self, crops: list[bytes], deadline: float) -> None:
        if not crops:
            return
        outputs = await self._inference.infer(models.ATTRIBUTES, crops, deadline)
        for i in range(len(crops)):
            describe({name: values[i] for name, values in outputs.items()}, models.attribute_labels())
