"""The cost of each run of a model on two cores, inside Triton and with its client, compared with fixed arithmetic.

Even if the machine is busy, the ratios can be compared between machines and times, because each round measures every
step and the reference once.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
import numpy as np
from numpy.typing import NDArray
from tqdm import trange
from tritonclient.grpc import service_pb2, service_pb2_grpc

from benchmarks import reference, results, stack
from detector import tiling
from platelane.resources import MODELS
from platelane.vision import decoding, model_specs
from platelane.vision.crops import ALIGNER_MARGIN, crop_vehicle, rectify_plate
from platelane.vision.geometry import Box
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelRepository, ModelSpec

CORES: Final = 2
PLATE: Final = Box(409, 452, 545, 496)
VEHICLE: Final = Box(275, 230, 836, 606)
"""Positions in the sample photograph; the content of a picture does not affect the cost."""
WARM_UP: Final = 5


@dataclass(slots=True)
class Step:
    """One call to one model."""

    name: str
    spec: ModelSpec
    pictures: NDArray[np.uint8]
    limit_ms: float
    """The target for all pictures of the call."""
    in_triton: list[float] = field(default_factory=list)
    with_client: list[float] = field(default_factory=list)


def steps(photo: bytes) -> list[Step]:
    """The calls that the services make for a photograph."""
    image, models = decoding.decode(photo).image, ModelRepository(MODELS)
    large, small, once = (view.canvas for view in (*tiling.whole(image), *tiling.once(image)))
    plate, vehicle = rectify_plate(image, PLATE.corners()), crop_vehicle(image, VEHICLE)
    before = rectify_plate(image, PLATE.corners(), ALIGNER_MARGIN)
    return [
        Step(f"{name}, {count} at once" if count > 1 else name, spec, np.stack(pictures * count), limit * count)
        for name, spec, pictures, limit in (
            ("detector, whole photo 640x384", model_specs.DETECTOR, [large], 30.0),
            ("detector, fast mode's view 480x288", model_specs.DETECTOR, [once], 30.0),
            ("detector, closer view 320x320", model_specs.DETECTOR, [small], 30.0),
            ("aligner, a plate from corners and box", model_specs.ALIGNER, [before, before], 2.0),
            ("reader, a plate", models.reader, [plate], 4.0),
            ("attributes, a vehicle", models.attributes, [vehicle], 6.0),
        )
        for count in (1, 4)
    ]


async def measure(triton_url: str, chosen: list[Step], rounds: int) -> list[float]:
    """Fills in the milliseconds of every step; returns those of the reference."""
    beside: list[float] = []
    async with InferenceClient(triton_url) as client, grpc.aio.insecure_channel(triton_url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for i in trange(-WARM_UP, rounds, desc="steps", unit="round"):
            took = reference.milliseconds()
            if i >= 0:
                beside.append(took)
            for step in chosen:
                runs, before = await _computing(stub, step.spec)
                start = time.perf_counter()
                await client.infer(step.spec, step.pictures, time.time() + 30)
                seconds = time.perf_counter() - start
                # Triton counts a run only after answering it
                while (after := await _computing(stub, step.spec))[0] == runs:
                    await asyncio.sleep(0.001)
                if i >= 0:
                    step.with_client.append(seconds * 1000)
                    step.in_triton.append((after[1] - before) / 1e6)
    return beside


async def _computing(stub: Any, spec: ModelSpec) -> tuple[int, int]:
    """The runs of a model so far, and Triton's nanoseconds for them: queue, input, compute and output."""
    answer = await stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name=spec.name))
    done = answer.model_stats[0].inference_stats.success
    return int(done.count), int(done.ns)


def main(photo: Path, rounds: int = 100) -> None:
    """Measure and write the section of RESULTS.md."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:CORES])  # inherited by all processes started from here on
    try:
        with stack.running() as state:
            chosen = steps(photo.read_bytes())
            beside = asyncio.run(measure(state.triton_url, chosen, rounds))
    finally:
        os.sched_setaffinity(0, cores)
    unit = statistics.median(beside)
    rows = [
        [
            step.name,
            results.spread(step.in_triton),
            results.spread(step.with_client),
            f"{statistics.median(step.in_triton) / unit:.2f}",
            f"{step.limit_ms:g}",
        ]
        for step in chosen
    ]
    results.record(
        "Cost of each model (`python -m benchmarks steps`)",
        f"{photo.name}, {CORES} cores, {rounds} rounds, one call at a time. Milliseconds, median (5th to 95th "
        f"percentile). The reference, {reference.WHAT}, took {results.spread(beside)} in the same rounds.\n\n"
        + results.table(["call", "in Triton", "with client", "in Triton / reference", "aim"], rows),
    )
