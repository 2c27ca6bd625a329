"""The time that bus and services add to a request, compared with direct calls of the models."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import httpx
from tqdm import trange

from benchmarks import results, stack
from benchmarks.direct_reader import DirectReader
from platelane.pb.v1 import domain_pb2
from platelane.resources import MODELS
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelRepository

OPTIONS = domain_pb2.Options(threshold_detection=0.2, threshold_text=0.6)
WARM_UP = 20


async def measure(url: str, triton_url: str, photo: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of requests through the API, and of readings by the models directly, alternating."""
    data = photo.read_bytes()
    through: list[float] = []
    direct: list[float] = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client, InferenceClient(triton_url) as inference:
        reader = DirectReader(inference, ModelRepository(MODELS))
        # encoded once, because the client's encoding is not to be measured
        upload = client.build_request("POST", "/v1/plate-reader/", files={"upload": data})
        body, headers = upload.read(), {"Content-Type": upload.headers["Content-Type"]}
        for i in trange(-WARM_UP, rounds, desc="overhead", unit="photo"):
            start = time.perf_counter()
            answer = await client.post("/v1/plate-reader/", content=body, headers=headers)
            middle = time.perf_counter()
            here = await reader.read(data, OPTIONS)
            end = time.perf_counter()
            texts = [[r["plate"] for r in body["results"]] for body in (answer.raise_for_status().json(), here)]
            if texts[0] != texts[1]:
                raise RuntimeError(f"the API read {texts[0]}, the models {texts[1]}")
            if i >= 0:
                through.append((middle - start) * 1000)
                direct.append((end - middle) * 1000)
    return through, direct


def main(photo: Path, rounds: int = 300) -> None:
    """Measure and write the section of RESULTS.md."""
    with stack.running() as state:
        through, direct = asyncio.run(measure(state.url, state.triton_url, photo, rounds))
    added = statistics.median(through) - statistics.median(direct)
    pairs = [a - b for a, b in zip(through, direct, strict=True)]
    rows = [
        ["through the API (HTTP, NATS, services, Triton)", results.spread(through)],
        ["the same models through Triton, one process", results.spread(direct)],
        ["added, pair by pair", results.spread(pairs)],
    ]
    results.record(
        "Overhead of bus and services (`python -m benchmarks overhead`)",
        f"{photo.name} (1280x720), {rounds} pairs, one request at a time, client included. Milliseconds, median "
        f"(5th to 95th percentile). Difference of the medians: **{added:.1f} ms**; aim: at most 12 ms.\n\n"
        + results.table(["one photo", "ms"], rows),
    )
