"""The models of a repository as the server runs them, without the server: ONNX Runtime on this machine's processor."""

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
"""As in backends/onnxruntime: processors on which INT8 is served; others with AVX2 get INT7, where there is one."""
_BATCH: Final = 16
_OPTIONS: Final = domain_pb2.Options(vehicles=True, threshold_detection=0.05, threshold_text=0.0, zoom_in_vehicles=8)
"""Everything that may be a plate: which one is meant, its row tells."""


class Models:
    """The served models of a repository; an `Inference` for the services' own code."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.specs = ModelRepository(repository)
        self._sessions: dict[str, onnxruntime.InferenceSession] = {}

    def session(self, name: str) -> onnxruntime.InferenceSession:
        """Of the file that this processor would be served."""
        if name not in self._sessions:
            self._sessions[name] = session(served_file(self.repository / name / "1"))
        return self._sessions[name]

    def release(self) -> None:
        """Give back the memory of the sessions; they are made again when they are needed."""
        self._sessions.clear()

    async def infer(
        self,
        spec: ModelSpec,
        images: Images,
        deadline: float,  # noqa: ARG002 - nobody waits
    ) -> dict[str, NDArray[Any]]:
        """`platelane.vision.inference.Inference`."""
        (tensor,) = spec.inputs
        batch = images
        if not isinstance(images, np.ndarray):
            batch = np.stack([np.frombuffer(crop, np.uint8).reshape(tensor.shape[1:]) for crop in images])
        assert isinstance(batch, np.ndarray)
        return self.run(spec.name, batch)

    def run(self, name: str, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The outputs by their names; in runs of at most 16."""
        model = self.session(name)
        names = [output.name for output in model.get_outputs()]
        parts = [
            model.run(names, {model.get_inputs()[0].name: batch[start : start + _BATCH]})
            for start in range(0, len(batch), _BATCH)
        ]
        return {output: np.concatenate(values) for output, values in zip(names, zip(*parts, strict=True), strict=True)}

    def find(self, image: Image) -> Found:
        """Plates, with their corners, and vehicles of a picture."""
        return asyncio.run(find(self, image, _OPTIONS, self.calibration, time.time() + 3600))

    @cached_property
    def calibration(self) -> Calibration:
        return Calibration.of(self.specs)

    @cached_property
    def templates(self) -> region_prior.Templates:
        return region_prior.templates(self.specs.regions, self.specs.template_fit_file)

    def read(self, outputs: dict[str, NDArray[Any]]) -> list[domain_pb2.Plate]:
        """What the server would say of each crop that the reader gave `outputs` for."""
        return self.read_by(outputs["characters"], outputs["region"], self.templates)

    def read_by(
        self, characters: NDArray[np.float32], regions: NDArray[np.float32], templates: region_prior.Templates
    ) -> list[domain_pb2.Plate]:
        """Plates out of a reader's distributions (N, 80, C) and (N, R), whose regions are those of `templates`."""
        names = self.specs.characters
        pairs = zip(characters, regions, strict=True)
        plates = [read([DecodedCrop.of(frames, region, names)], names, templates) for frames, region in pairs]
        for plate in plates:
            calibrate(plate, self.specs.text_score)
        return plates


def served_file(folder: Path) -> Path:
    """The model file that Triton would take on this processor."""
    file = Path("/proc/cpuinfo")
    flags = set(file.read_text().split()) if file.exists() else set()
    quantised = folder / (INT8 if flags & VNNI else INT7)
    return quantised if flags & {*VNNI, "avx2"} and quantised.exists() else folder / "model.onnx"
