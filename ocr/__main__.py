"""Start with `python -m ocr`."""

from __future__ import annotations

import asyncio

from platelane.inference import InferenceClient

from ocr.handler import Reader
from platelane import models, service
from platelane.bus import Bus, Worker, topology
from platelane.pb.v1 import stages_pb2
from platelane.settings import Settings


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on plates until `stop` is set."""
    async with InferenceClient(settings.triton_url) as inference:
        service.health.require("triton", inference.ready)
        await inference.wait_for(models.READER, service.PATIENCE)
        reader = Reader(bus, inference)
        await Worker(bus, topology.OCR, stages_pb2.PlateCrops, reader.handle, settings.in_flight).run(stop)


if __name__ == "__main__":
    service.run("ocr", main)
