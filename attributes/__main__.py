"""Start with `python -m attributes`."""

from __future__ import annotations

import asyncio

from attributes.handler import Classifier
from platelane import models, service, stage
from platelane.bus import Bus, topology
from platelane.pb.v1.stages_pb2 import VehicleCrops
from platelane.settings import Settings


async def main(_: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on vehicles until `stop` is set."""
    await stage.work(bus, stop, (models.ATTRIBUTES,), topology.ATTRIBUTES, VehicleCrops, Classifier)


if __name__ == "__main__":
    service.run("attributes", main)
