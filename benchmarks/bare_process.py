"""The lower bound: a process that reads photographs alone, running the networks in ONNX Runtime with one thread.

    python -m benchmarks.bare_process PHOTO MODE CORE

Each input line is a number of photographs to read; each output line says how long that took.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import cv2
import numpy as np
from google.protobuf import json_format, text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

from benchmarks.direct_reader import DirectReader
from platelane.errors import CannotStart
from platelane.local.triton_environment import environment_folder, find_environment
from platelane.pb.v1 import domain_pb2
from platelane.resources import MODELS
from platelane.runtime.settings import Settings
from platelane.vision.inference import Images
from platelane.vision.model_specs import ModelRepository, ModelSpec

MODES = {"regular": domain_pb2.MODE_REGULAR, "fast": domain_pb2.MODE_FAST}


@dataclass(frozen=True, slots=True)
class TimeTaken:
    """Wall and processor seconds for a number of photographs, and the answer to the last one."""

    wall: float
    cpu: float
    plates: str


class OnnxInference:
    """Runs the served models in this process, with the runtime, files and settings that Triton uses on a processor, but
    one thread each."""

    def __init__(self, repository: Path) -> None:
        """Raises CannotStart if Triton's environment is missing or has another Python."""
        self._repository = repository
        self._backend = _backend()
        self._sessions: dict[str, Any] = {}

    async def infer(self, spec: ModelSpec, images: Images, _deadline: float) -> dict[str, NDArray[Any]]:
        """As `platelane.vision.inference.InferenceClient.infer`, for any batch."""
        tensor = spec.inputs[0]
        if not isinstance(images, np.ndarray):
            images = np.frombuffer(b"".join(images), np.uint8).reshape(len(images), *tensor.shape[1:])
        session = self._sessions.get(spec.name) or self._load(spec.name)
        names = [output.name for output in spec.outputs]
        return dict(zip(names, session.run(names, {tensor.name: images}), strict=True))

    def _load(self, model: str) -> Any:
        text = (self._repository / model / "config.pbtxt").read_text(encoding="utf-8")
        message = text_format.Parse(text, model_config_pb2.ModelConfig())
        config = json_format.MessageToDict(message, preserving_proto_field_name=True)
        config["parameters"]["intra_op_thread_count"] = {"string_value": "1"}
        path = self._repository / model / "1" / "model.onnx"
        self._sessions[model] = self._backend.quantised(path, config) or self._backend.session(path, config)
        return self._sessions[model]


def _backend() -> ModuleType:
    """`backends/onnxruntime` with the ONNX Runtime of Triton's environment, without the parts that need Triton."""
    environment = find_environment(environment_folder(Settings().state_dir))
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if environment.python != ours:
        raise CannotStart(f"Triton's environment has Python {environment.python}, and this one {ours}.")
    sys.path.append(str(environment.packages))  # last, so that everything else comes from our own environment
    utils: Any = ModuleType("triton_python_backend_utils")
    utils.Logger = SimpleNamespace(log_warn=lambda text: print(text, file=sys.stderr))
    sys.modules.setdefault(utils.__name__, utils)
    from backends.onnxruntime import model

    return model


class BareProcess:
    """One such process, on its own core."""

    def __init__(self, photo: Path, mode: str, core: int) -> None:
        command = [sys.executable, "-m", __name__, str(photo), mode, str(core)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def begin(self, count: int) -> None:
        """Start reading `count` photographs."""
        assert self._process.stdin is not None
        print(count, file=self._process.stdin, flush=True)

    def result(self) -> TimeTaken:
        """Wait for the result. Raises CannotStart if the process has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CannotStart("A bare process has ended.")
        return TimeTaken(**json.loads(line))


@contextmanager
def running(photo: Path, mode: str) -> Iterator[list[BareProcess]]:
    """One process on each core, warmed up."""
    processes = [BareProcess(photo, mode, core) for core in sorted(os.sched_getaffinity(0))]
    try:
        for process in processes:
            process.begin(3)
        for process in processes:
            process.result()
        yield processes
    finally:
        for process in processes:
            process.__exit__()


async def _serve(photo: bytes, mode: str) -> None:
    reader = DirectReader(OnnxInference(MODELS), ModelRepository(MODELS))
    options = domain_pb2.Options(threshold_detection=0.2, threshold_text=0.6, mode=MODES[mode])
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            body = json.dumps(answer := await reader.read(photo, options))
        assert body
        plates = " ".join(result["plate"] for result in answer["results"])
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "plates": plates}
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[3])})
    cv2.setNumThreads(1)
    asyncio.run(_serve(Path(sys.argv[1]).read_bytes(), sys.argv[2]))
