"""Runs the models of a repository as the server does, but without it: in ONNX Runtime, on this machine's processor."""

from __future__ import annotations

import asyncio
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from detector.calibration import Calibration
from detector.handler import find
from detector.search import Found
from ocr import region_prior
from ocr.decode import DecodedCrop, read
from ocr.plates import calibrate
from platelane.pb.v1 import domain_pb2
from platelane.vision.crops import Image
from platelane.vision.inference import Images
from platelane.vision.model_specs import ModelRepository, ModelSpec
from training.common.onnx_session import session

INT8: Final = "model.int8.onnx"
INT7: Final = "model.int7.onnx"
VNNI: Final = frozenset({"avx512_vnni", "avx_vnni"})
"""As in backends/onnxruntime: processors that are served INT8; others with AVX2 get INT7, if there is such a file."""
_BATCH: Final = 16
_OPTIONS: Final = domain_pb2.Options(vehicles=True, threshold_detection=0.05, threshold_text=0.0, zoom_in_vehicles=8)
"""Low, to find everything that may be a plate: the row decides which one is meant."""


class Models:
    """The served models of a repository; an `Inference` for the services' own code."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.specs = ModelRepository(repository)
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def session(self, name: str) -> onnxruntime.InferenceSession:
        """A session of the file that Triton would serve on this processor."""
        if name not in self._sessions:
            self._sessions[name] = session(served_file(self.repository / name / "1"))
        return self._sessions[name]

    def release(self) -> None:
        """Free the memory of the sessions; they are recreated when needed."""
        self._sessions.clear()

    async def infer(
        self,
        spec: ModelSpec,
        images: Images,
        deadline: float,  # noqa: ARG002 - part of the interface
    ) -> dict[str, NDArray[Any]]:
        """`platelane.vision.inference.Inference`."""
        (tensor,) = spec.inputs
        batch = images
        if not isinstance(images, np.ndarray):
            batch = np.stack([np.frombuffer(crop, np.uint8).reshape(tensor.shape[1:]) for crop in images])
        assert isinstance(batch, np.ndarray)
        return self.run(spec.name, batch)

    def run(self, name: str, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The outputs by name; the model runs on at most 16 inputs at a time."""
        model = self.session(name)
        names = [output.name for output in model.get_outputs()]
        parts = [
            model.run(names, {model.get_inputs()[0].name: batch[start : start + _BATCH]})
            for start in range(0, len(batch), _BATCH)
        ]
        return {output: np.concatenate(values) for output, values in zip(names, zip(*parts, strict=True), strict=True)}

    def find(self, image: Image) -> Found:
        """The plates of a picture, with their corners, and its vehicles."""
        return asyncio.run(find(self, image, _OPTIONS, self.calibration, time.time() + 3600))

    @cached_property
    def calibration(self) -> Calibration:
        return Calibration.of(self.specs)

    @cached_property
    def templates(self) -> region_prior.Templates:
        return region_prior.templates(self.specs.regions, self.specs.template_fit_file)

    def read(self, outputs: dict[str, NDArray[Any]]) -> list[domain_pb2.Plate]:
        """The plates that the server would answer for the reader's `outputs`."""
        return self.read_by(outputs["characters"], outputs["region"], self.templates)

    def read_by(
        self, characters: NDArray[np.float32], regions: NDArray[np.float32], templates: region_prior.Templates
    ) -> list[domain_pb2.Plate]:
        """The plates for a reader's distributions (N, 80, C) and (N, R), whose regions are those of `templates`."""
        names = self.specs.characters
        pairs = zip(characters, regions, strict=True)
        plates = [read([DecodedCrop.of(frames, region, names)], names, templates) for frames, region in pairs]
        for plate in plates:
            calibrate(plate, self.specs.text_score)
        return plates


def served_file(folder: Path) -> Path:
    """The model file that Triton would serve on this processor."""
    file = Path("/proc/cpuinfo")
    flags = set(file.read_text().split()) if file.exists() else set()
    quantised = folder / (INT8 if flags & VNNI else INT7)
    return quantised if flags & {*VNNI, "avx2"} and quantised.exists() else folder / "model.onnx"
