"""The same reading without gateway, bus and services: one process that calls the models through Triton."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attributes.description import describe
from detector.detections import Detections
from detector.handler import cut
from detector.search import search
from ocr.reading import read
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

        async def model(canvases: NDArray[np.uint8]) -> list[Detections]:
            outputs: dict[str, NDArray[Any]] = await self._inference.infer(models.DETECTOR, canvases, deadline)
            return Detections.of_outputs(outputs)

        image = await asyncio.to_thread(images.decode, photo)
        found = await search(model, image, options)
        carrying = {plate.vehicle for plate in found.plates}
        boxes = [vehicle.box for i, vehicle in enumerate(found.vehicles) if i in carrying or options.vehicles]
        plates, vehicles = await asyncio.to_thread(cut, image, found, boxes)
        texts, _ = await asyncio.gather(self._texts(plates, deadline), self._describe(vehicles, deadline))
        return texts

    async def _texts(self, crops: list[bytes], deadline: float) -> list[str]:
        if not crops:
            return []
        outputs = await self._inference.infer(models.READER, crops, deadline)
        pairs = zip(outputs["characters"], outputs["region"], strict=True)
        return [read(frames, regions, models.characters(), models.regions()).text for frames, regions in pairs]

    async def _describe(self, crops: list[bytes], deadline: float) -> None:
        if not crops:
            return
        outputs = await self._inference.infer(models.ATTRIBUTES, crops, deadline)
        for i in range(len(crops)):
            describe({name: values[i] for name, values in outputs.items()}, models.attribute_labels())
