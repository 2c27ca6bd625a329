"""Measures the memory of the whole system, idle and busy, and whether it grows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import psutil
from tqdm import tqdm

from benchmarks import load, results, stack
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


def resident(state: State) -> dict[str, float]:
    """Megabytes (10^6 bytes) by program, including its children; shared memory counts once in total."""
    pids = {name: process.pid for name, process in state.processes.items()}
    found = {name: load.with_children(pid) for name, pid in pids.items() if pid is not None}
    if state.fork_server is not None:
        found["fork server"] = [psutil.Process(state.fork_server)]  # without its children, which are the services
    return {name: sum(map(_share, processes)) / 1e6 for name, processes in found.items()}


def _share(process: psutil.Process) -> int:
    """Proportional set size in bytes; 0 if the process has just ended, as a decoder may."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def main(photo: Path, requests: int = 1000) -> None:
    """Measure and write the section of RESULTS.md."""
    data = photo.read_bytes()
    with stack.running() as state:
        steps = {"at start": resident(state)}
        asyncio.run(_send(state.url, data, requests))
        steps[f"after {requests}"] = resident(state)
        asyncio.run(_send(state.url, data, requests))
        steps[f"after {2 * requests}"] = resident(state)
    rows = [[name, *(f"{values[name]:.0f}" for values in steps.values())] for name in steps["at start"]] + [
        ["**together**", *(f"**{sum(values.values()):.0f}**" for values in steps.values())]
    ]
    results.record(
        "Memory (`python -m benchmarks memory`)",
        f"Resident megabytes (proportional set size), {photo.name}, `mmc=true`, {CONCURRENCY} requests at a time. Aim: "
        "at most 900 MB together, no growth over the last requests.\n\n" + results.table(["program", *steps], rows),
    )
