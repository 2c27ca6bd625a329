"""The cost of a photograph for each process, and how replicas share the work."""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never, TypeAlias

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families
from tqdm import tqdm

from benchmarks import nats_servers, results, stack
from benchmarks.load import with_children
from platelane.bus import topology
from platelane.local.programs import SERVICES, WORKERS
from platelane.local.state import State

Progress: TypeAlias = "tqdm[Never]"

PHOTOS: Final = 200
CALLERS: Final = 8
WARM_UP: Final = 20
LOADS: Final = (10, 100, 1_000)
"""Loads, in photographs per second, to compute the number of processes for."""
BUSY: Final = 0.7
"""Average share of a core that a process may use, to leave room for peaks."""
STAGES: Final = {"detector": "detector", "ocr": "ocr", "attributes": "attributes", "aggregator": "aggregator"}
"""Stages and the services that run them."""
SETTLING: Final = 10.0
"""Seconds for work that follows an answer."""

_SETTLED: Final = (topology.JOBS, topology.CROPS, topology.PARTS, topology.DEAD)


@dataclass(frozen=True, slots=True)
class Sample:
    """Cumulative counters since the start of the system."""

    cpu: dict[str, float]
    """Processor seconds by service, nats-server and triton."""
    handled: dict[str, Counter[str]]
    """Handled messages by stage and process."""
    carried: int
    """Bytes received and sent by nats-server."""
    written: int
    """Bytes written to files by nats-server."""


@dataclass(frozen=True, slots=True)
class Load:
    """The cost of a number of photographs."""

    seconds: float
    cpu: dict[str, float]
    """Processor milliseconds per photograph, by service, nats-server and triton."""
    handled: dict[str, list[int]]
    """Handled messages by stage, for each replica."""
    carried: float
    """Bytes per photograph."""
    written: float


def main(photo: Path) -> None:
    """Measure and write the section of RESULTS.md."""
    data = photo.read_bytes()
    with tqdm(total=2 * PHOTOS, desc="scale", unit="photo") as progress:
        one, two = (_loaded(data, replicas, progress) for replicas in (1, 2))
    results.record("Scale (`python -m benchmarks scale`)", _report(photo, one, two))


def _loaded(photo: bytes, replicas: int, progress: Progress) -> Load:
    """Measure a separate system with `replicas` of each stage under load.

    Raises:
        RuntimeError: a photograph was lost, or left something behind.
    """
    scale = [word for worker in WORKERS for word in ("--scale", f"{worker}={replicas}")]
    with stack.running(*scale) as state:
        first = asyncio.run(_send(state.url, photo, WARM_UP, None))
        _check_settled(state, WARM_UP)
        before, start = _reading(state), time.perf_counter()
        answers = asyncio.run(_send(state.url, photo, PHOTOS, progress))
        seconds = time.perf_counter() - start
        _check_settled(state, WARM_UP + PHOTOS)
        after = _reading(state)
        if answers.keys() != first.keys() or len(first) != 1:
            raise RuntimeError(f"the same photograph was read in different ways: {first | answers}")
    return Load(
        seconds=seconds,
        cpu={name: (after.cpu[name] - before.cpu[name]) * 1000 / PHOTOS for name in after.cpu},
        handled={
            stage: [counts[process] - before.handled[stage][process] for process in sorted(counts)]
            for stage, counts in after.handled.items()
        },
        carried=(after.carried - before.carried) / PHOTOS,
        written=(after.written - before.written) / PHOTOS,
    )


async def _send(url: str, photo: bytes, count: int, progress: Progress | None) -> Counter[str]:
    """Send photographs, which must all get 200; returns what was read, and how often."""
    answers: Counter[str] = Counter()
    left = iter(range(count))

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in left:
            answer = await client.post("/v1/plate-reader/", files={"upload": photo}, data={"mmc": "true"})
            answers[" ".join(result["plate"] for result in answer.raise_for_status().json()["results"])] += 1
            if progress is not None:
                progress.update()

    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
    return answers


def _reading(state: State) -> Sample:
    cpu: defaultdict[str, float] = defaultdict(float)
    handled: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for name, process in state.processes.items():
        if process.pid is None:
            raise RuntimeError(f"{name} has died")
        service = re.sub(r"-\d+$", "", name)
        cpu[service] += sum(sum(each.cpu_times()[:2]) for each in with_children(process.pid))
        if service in SERVICES:
            counts = _handled(process.ready_url.replace("/readyz", "/metrics"))
            for stage in (stage for stage, of in STAGES.items() if of == service):
                handled[stage][name] = counts.get(stage, 0)
    server = state.processes["nats-server"]
    page = nats_servers.monitored(server.ready_url.replace("/healthz", "/varz"))
    written = psutil.Process(server.pid).io_counters().write_bytes
    return Sample(cpu, handled, page["in_bytes"] + page["out_bytes"], written)


def _handled(address: str) -> dict[str, int]:
    """Messages that a process has handled, by stage."""
    families = text_string_to_metric_families(httpx.get(address, trust_env=False).raise_for_status().text)
    return {
        sample.labels["stage"]: int(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == "platelane_stage_seconds_count"
    }


def _check_settled(state: State, photos: int) -> None:
    """Check that every photograph has a result, and nothing is left in a queue or was given up."""
    address = state.processes["nats-server"].ready_url.replace("/healthz", "/jsz?streams=true")
    end = time.monotonic() + SETTLING
    while True:
        [account] = nats_servers.monitored(address)["account_details"]
        kept = {stream["name"]: stream["state"]["messages"] for stream in account["stream_detail"]}
        left = {name: kept[name] for name in _SETTLED if kept[name]}
        if not left and kept[topology.RESULTS] >= photos:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"{kept[topology.RESULTS]} results of {photos} photographs; left behind: {left}")
        time.sleep(0.1)


def _report(photo: Path, one: Load, two: Load) -> str:
    size = photo.stat().st_size
    cores = len(os.sched_getaffinity(0))
    charged, passed = sum(one.cpu.values()), one.seconds * 1000 / PHOTOS
    slowest = max(WORKERS, key=lambda name: one.cpu[name])
    return "\n\n".join(
        [
            f"{photo.name} (1280x720, {size / 1000:.0f} kB), `mmc=true`, {PHOTOS} photographs, {CALLERS} at a time. "
            "With one and with two of each stage, all were answered identically, and nothing was left in a queue.",
            f"**Cost of a photograph.** Milliseconds of processor time, without the client. With one of each stage: "
            f"{charged:.0f} ms together, while {passed:.0f} ms passed on each of {cores} cores. nats-server receives "
            f"and sends {one.carried / 1000:.0f} kB a photograph and writes {one.written / 1000:.0f} kB to files.",
            results.table(
                ["process", "one of each", "two of each", "photographs/s of one core"],
                [
                    [name, f"{one.cpu[name]:.1f}", f"{two.cpu[name]:.1f}", f"{1000 / one.cpu[name]:.0f}"]
                    for name in one.cpu
                ],
            ),
            f"**Processes for a load**, each using {BUSY:.0%} of a core; for nats-server and triton, cores (Triton "
            f"without a GPU). After Triton, {slowest} needs most.",
            results.table(
                ["photographs/s", *one.cpu],
                [
                    [str(load), *(str(math.ceil(load * cpu / 1000 / BUSY)) for cpu in one.cpu.values())]
                    for load in LOADS
                ],
            ),
            "**How two replicas share the work**: messages handled by each.",
            results.table(
                ["stage", "first", "second"], [[stage, *map(str, counts)] for stage, counts in two.handled.items()]
            ),
        ]
    )
