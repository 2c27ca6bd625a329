"""Start with `python -m detector`."""

from __future__ import annotations

import asyncio

from detector.handler import Detector
from platelane import models, service, stage
from platelane.bus import Bus, topology
from platelane.pb.v1.stages_pb2 import Job
from platelane.settings import Settings


async def main(_: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on jobs until `stop` is set."""
    await stage.work(bus, stop, (models.DETECTOR, models.ALIGNER), topology.DETECTOR, Job, Detector)


if __name__ == "__main__":
    service.run("detector", main)
