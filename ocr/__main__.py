"""Start with `python -m ocr`."""

from __future__ import annotations

import asyncio
from functools import partial

from ocr import region_prior
from ocr.handler import Reader
from platelane.bus import Bus, topology
from platelane.pb.v1.stages_pb2 import PlateCrops
from platelane.runtime import model_service, service
from platelane.runtime.settings import Settings
from platelane.vision.model_specs import ModelRepository


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on plates until `stop` is set."""
    # done at the start, so that the first caller need not wait; Triton takes longer to load its models anyway
    models = ModelRepository(settings.model_repository)
    templates = await asyncio.to_thread(region_prior.templates, models.regions, models.template_fit_file)
    handler = partial(Reader, models=models, templates=templates)
    await model_service.work(bus, stop, (models.reader,), topology.OCR, PlateCrops, handler)


if __name__ == "__main__":
    service.run("ocr", main)
