"""How many photographs a second the networks take on an NVIDIA GPU, and whether they or decoding are the limit.

    python -m benchmarks gpu                  # TensorRT or CUDA by ONNX Runtime (`onnxruntime-gpu`), else PyTorch
    python -m benchmarks gpu --runtime cpu    # the same on the processor, to try the program

ONNX Runtime runs the exported models; PyTorch runs the same networks in FP16 as CUDA graphs, without loading weights,
which change nothing about their speed. Pictures are on the GPU already, and results stay there.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import numpy as np
from tqdm import tqdm

from benchmarks import results
from platelane.errors import CannotStart
from platelane.local.triton_environment import environment_folder, find_environment
from platelane.resources import MODELS
from platelane.runtime.settings import Settings
from platelane.vision import decoding
from platelane.vision.crops import FRAME_CANVASES, PLATE_SHAPE, VEHICLE_SHAPE, ZOOM_CANVAS

BATCHES: Final = (1, 2, 4, 8, 16, 32, 64)
SECONDS: Final = 1.0
"""For which a batch is run again and again."""
WARM_UP: Final = 5
CAMERA_RATE: Final = 2.0
"""Photographs a second of the cameras that are counted."""
RUNTIMES: Final = ("tensorrt", "cuda", "torch", "cpu")
PROVIDERS: Final[Mapping[str, list[tuple[str, dict[str, str]]]]] = {
    "tensorrt": [("TensorrtExecutionProvider", {"trt_fp16_enable": "True"}), ("CUDAExecutionProvider", {})],
    "cuda": [("CUDAExecutionProvider", {})],
    "cpu": [("CPUExecutionProvider", {})],
}
"""Of ONNX Runtime, with their options; what the first cannot run is left to the next."""


@dataclass(frozen=True, slots=True)
class Step:
    """A run of a model that a photograph with one plate and one vehicle takes."""

    name: str
    model: str
    shape: tuple[int, int, int]
    """Height, width, channels of a picture."""
    pictures: int = 1
    """Of a photograph."""


STEPS: Final = (
    Step("detector {}x{}".format(*FRAME_CANVASES[0]), "detector", (*FRAME_CANVASES[0], 3)),
    Step("detector {}x{}".format(*ZOOM_CANVAS), "detector", (*ZOOM_CANVAS, 3)),
    Step("aligner", "aligner", PLATE_SHAPE, pictures=2),  # cut by the corners, and by the box
    Step("reader", "reader", PLATE_SHAPE),
    Step("attributes", "attributes", VEHICLE_SHAPE),
)


class Runtime(Protocol):
    """What runs the networks."""

    name: str

    def prepared(self, step: Step, batch: int) -> Callable[[], None]:
        """A function that runs a batch of `step` and returns when it is done."""
        ...


class OnnxRuntime:
    """The exported models in ONNX Runtime."""

    def __init__(self, module: ModuleType, kind: str) -> None:
        self._module = module
        self._device = "cpu" if kind == "cpu" else "cuda"
        self._providers = PROVIDERS[kind]
        self._sessions: dict[str, Any] = {}
        self.name = f"ONNX Runtime {module.__version__}, {kind}"

    def prepared(self, step: Step, batch: int) -> Callable[[], None]:
        session = self._sessions.get(step.model) or self._load(step.model)
        binding = session.io_binding()
        pictures = _pictures(step, batch)
        value = self._module.OrtValue.ortvalue_from_numpy(pictures, self._device, 0)
        binding.bind_ortvalue_input(session.get_inputs()[0].name, value)
        for output in session.get_outputs():
            binding.bind_output(output.name, self._device)

        def run(_kept: object = pictures) -> None:  # on a processor, the value is a view of the array
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()

        return run

    def _load(self, model: str) -> Any:
        path = MODELS / model / "1" / "model.onnx"
        self._sessions[model] = self._module.InferenceSession(path, providers=self._providers)
        return self._sessions[model]


class Torch:
    """The networks in PyTorch."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._speed = importlib.import_module("training.evaluation.speed")
        self._networks = self._speed.networks()
        self.name = f"PyTorch {torch.__version__}, FP16 as CUDA graphs"

    def prepared(self, step: Step, batch: int) -> Callable[[], None]:
        torch = self._torch
        with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=True):
            pictures = torch.from_numpy(_pictures(step, batch)).cuda()
            replay = self._speed.recorded(self._networks[step.name][0], pictures)

        def run() -> None:
            replay()
            torch.cuda.synchronize()

        return run


def chosen(kind: str | None) -> Runtime:
    """The runtime that is asked for, or the first that finds a GPU.

    Raises:
        CannotStart: there is none, or it finds no GPU.
    """
    for each in [kind] if kind else RUNTIMES[:-1]:
        if runtime := _torch() if each == "torch" else _onnxruntime(each):
            return runtime
    wanted = f"{kind} finds none" if kind else "neither ONNX Runtime nor PyTorch finds one"
    raise CannotStart(f"This needs an NVIDIA GPU, and {wanted}; `--runtime cpu` tries the program on the processor.")


def _onnxruntime(kind: str) -> Runtime | None:
    try:
        module = importlib.import_module("onnxruntime")
    except ImportError:
        sys.path.append(str(find_environment(environment_folder(Settings().state_dir)).packages))
        module = importlib.import_module("onnxruntime")
    return OnnxRuntime(module, kind) if PROVIDERS[kind][0][0] in module.get_available_providers() else None


def _torch() -> Runtime | None:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    return Torch(torch) if torch.cuda.is_available() else None


def _pictures(step: Step, batch: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (batch, *step.shape), dtype=np.uint8)


def timed(run: Callable[[], object], seconds: float) -> list[float]:
    """Milliseconds of each run, for at least `seconds` and 20 runs."""
    for _ in range(WARM_UP):
        run()
    took: list[float] = []
    end = time.perf_counter() + seconds
    while len(took) < 20 or time.perf_counter() < end:
        began = time.perf_counter()
        run()
        took.append((time.perf_counter() - began) * 1000)
    return took


def photographs(medians: Mapping[str, float], batch: int) -> float:
    """A second, if nothing but the networks took time. `medians`: milliseconds a batch of each step."""
    return 1000 * batch / sum(step.pictures * medians[step.name] for step in STEPS)


def decoded(photo: bytes, seconds: float) -> dict[str, float]:
    """Photographs decoded a second: on all cores of the processor and, where torchvision is there, on the GPU."""
    cores = len(os.sched_getaffinity(0))
    rates = {f"{cores} cores": cores * 1000 / statistics.median(timed(lambda: decoding.decode(photo), seconds))}
    try:
        torch = importlib.import_module("torch")
        vision = importlib.import_module("torchvision.io")
    except ImportError:
        return rates
    if torch.cuda.is_available():
        batch = [torch.frombuffer(bytearray(photo), dtype=torch.uint8)] * BATCHES[-1]

        def run() -> None:
            vision.decode_jpeg(batch, device="cuda")
            torch.cuda.synchronize()

        rates["the GPU (nvJPEG)"] = BATCHES[-1] * 1000 / statistics.median(timed(run, seconds))
    return rates


def measured(runtime: Runtime, batches: Sequence[int], seconds: float) -> dict[int, dict[str, list[float]]]:
    """Milliseconds of each run, by batch size and step."""
    times: dict[int, dict[str, list[float]]] = {batch: {} for batch in batches}
    with tqdm(total=len(batches) * len(STEPS), desc=runtime.name, unit="step", dynamic_ncols=True) as progress:
        for step in STEPS:
            for batch in batches:
                times[batch][step.name] = timed(runtime.prepared(step, batch), seconds)
                progress.update()
    return times


def report(
    runtime: str, times: Mapping[int, Mapping[str, Sequence[float]]], decoding_rates: Mapping[str, float]
) -> str:
    """The section of RESULTS.md."""
    medians = {batch: {name: statistics.median(each) for name, each in steps.items()} for batch, steps in times.items()}
    rows = [
        [step.name, str(step.pictures), *(results.spread(times[batch][step.name]) for batch in times)] for step in STEPS
    ]
    rates = {batch: photographs(medians[batch], batch) for batch in times}
    rows.append(["**photographs a second**", "", *(f"**{rate:.0f}**" for rate in rates.values())])
    best = max(rates.values())
    limits = {"the networks": best, **{f"decoding on {name}": rate for name, rate in decoding_rates.items()}}
    first = max(rate for name, rate in limits.items() if name != "the networks")
    limit = "the networks" if best <= first else "decoding"
    return (
        f"{runtime}. A photograph with one plate and one vehicle takes the number of pictures in the second column. "
        "Milliseconds a batch, median (5th to 95th percentile), by its size:\n\n"
        + results.table(["step", "pictures", *map(str, times)], rows)
        + "\n\n"
        + results.table(["photographs a second", ""], [[name, f"{rate:.0f}"] for name, rate in limits.items()])
        + f"\n\nThe limit is {limit}: {min(best, first):.0f} photographs a second, "
        f"{min(best, first) / CAMERA_RATE:.0f} cameras with {CAMERA_RATE:g} a second each. "
        "Bus and services are not included."
    )


def main(photo: Path, kind: str | None = None, batches: Sequence[int] = BATCHES, seconds: float = SECONDS) -> None:
    """Measure, and write the section of RESULTS.md; print it instead if the processor ran the networks."""
    runtime = chosen(kind)
    if kind == "cpu":
        batches = batches[:3]
    text = report(runtime.name, measured(runtime, batches, seconds), decoded(photo.read_bytes(), seconds))
    if kind == "cpu":
        print(text)
    else:
        results.record("Networks on a GPU (`python -m benchmarks gpu`)", text)
