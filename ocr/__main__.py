"""Start with `python -m ocr`."""

from __future__ import annotations

import asyncio

from ocr import evidence
from ocr.handler import Reader
from platelane import models, service, stage
from platelane.bus import Bus, topology
from platelane.pb.v1.stages_pb2 import PlateCrops
from platelane.settings import Settings


async def main(_: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on plates until `stop` is set."""
    # takes a while, which the first caller need not wait: Triton takes longer to load its models
    await asyncio.to_thread(evidence.templates, models.regions())
    await stage.work(bus, stop, (models.READER,), topology.OCR, PlateCrops, Reader)


if __name__ == "__main__":
    service.run("ocr", main)
