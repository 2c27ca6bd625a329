"""Start with `python -m detector`."""

from __future__ import annotations

import asyncio

import cv2

from detector.calibration import Calibration
from detector.handler import Detector
from detector.picture_keeper import PictureKeeper
from platelane.bus import Bus, topology
from platelane.pb.v1.stages_pb2 import Job
from platelane.runtime import model_service, service
from platelane.runtime.settings import Settings
from platelane.vision import model_specs
from platelane.vision.decoders import Decoders
from platelane.vision.inference import Inference


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Work on jobs until `stop` is set."""
    calibration = Calibration.of(model_specs.ModelRepository(settings.model_repository))
    models = (model_specs.DETECTOR, model_specs.ALIGNER)
    cv2.setNumThreads(1)  # concurrent jobs use all cores; OpenCV's own threads would spin while waiting for each other
    with Decoders() as decoders:
        await asyncio.to_thread(decoders.start)

        def handler(bus: Bus, inference: Inference) -> Detector:
            keeper = PictureKeeper.of(bus) if settings.keeps_crops else None
            return Detector(bus, inference, calibration, decoders.decode, keeper)

        await model_service.work(bus, stop, models, topology.DETECTOR, Job, handler, topology.DETECTOR_BULK)


if __name__ == "__main__":
    service.run("detector", main)
