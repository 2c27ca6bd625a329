"""Resident memory of the six services, and whether it grows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import psutil
from tqdm import tqdm

from benchmarks import results, stack
from platelane.local.programs import SERVICES
from platelane.local.state import State

CONCURRENCY = 4


async def _send(url: str, photo: bytes, count: int) -> None:
    progress = tqdm(total=count, desc="memory", unit="photo")
    left = iter(range(count))

    async def sender(client: httpx.AsyncClient) -> None:
        for _ in left:
            (await client.post("/v1/plate-reader/", files={"upload": photo}, data={"mmc": "true"})).raise_for_status()
            progress.update()

    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        await asyncio.gather(*(sender(client) for _ in range(CONCURRENCY)))
    progress.close()


def _resident(state: State) -> dict[str, float]:
    """Megabytes (10^6 bytes) by service."""
    pids = {name: process.pid for name, process in state.processes.items() if name in SERVICES}
    return {name: psutil.Process(pid).memory_info().rss / 1e6 for name, pid in pids.items() if pid is not None}


def main(photo: Path, requests: int = 1000) -> None:
    """Measure and write the section of RESULTS.md."""
    data = photo.read_bytes()
    with stack.running() as state:
        steps = {"at start": _resident(state)}
        asyncio.run(_send(state.url, data, requests))
        steps[f"after {requests}"] = _resident(state)
        asyncio.run(_send(state.url, data, requests))
        steps[f"after {2 * requests}"] = _resident(state)
    rows = [[name, *(f"{values[name]:.0f}" for values in steps.values())] for name in SERVICES] + [
        ["**together**", *(f"**{sum(values.values()):.0f}**" for values in steps.values())]
    ]
    results.record(
        "Memory of the services (`python -m benchmarks memory`)",
        f"Resident megabytes, {photo.name}, `mmc=true`, {CONCURRENCY} requests at a time. Aim: under 700 MB together "
        "after 1,000 requests, no growth over the next 1,000.\n\n" + results.table(["service", *steps], rows),
    )
