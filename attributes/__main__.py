"""Start with `python -m attributes`."""

from __future__ import annotations

import asyncio
from functools import partial

from attributes.handler import Classifier
from platelane.bus import Bus, topology
from platelane.pb.v1.stages_pb2 import VehicleCrops
from platelane.runtime import model_service, service
from platelane.runtime.settings import Settings
from platelane.vision.model_specs import ModelRepository


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on vehicles until `stop` is set."""
    models = ModelRepository(settings.model_repository)
    handler = partial(Classifier, models=models)
    await model_service.work(bus, stop, (models.attributes,), topology.ATTRIBUTES, VehicleCrops, handler)


if __name__ == "__main__":
    service.run("attributes", main)
