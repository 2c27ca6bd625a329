"""Four concurrent callers, client on the same machine: milliseconds of wall time a call, regular and fast."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from pathlib import Path

import httpx

from benchmarks import results, stack

CALLERS = 4
ROUNDS = 5


async def _wall(url: str, photo: bytes, mode: str, calls: int) -> tuple[float, list[float]]:
    """Milliseconds of wall time a call, and each call's own latency."""
    latencies: list[float] = []
    left = iter(range(calls))
    data = {"config": json.dumps({"mode": mode})}

    async def caller(client: httpx.AsyncClient) -> None:
        for _ in left:
            start = time.perf_counter()
            (await client.post("/v1/plate-reader/", files={"upload": photo}, data=data)).raise_for_status()
            latencies.append((time.perf_counter() - start) * 1000)

    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        start = time.perf_counter()
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
        return (time.perf_counter() - start) * 1000 / calls, latencies


def main(photo: Path, calls: int = 200) -> None:
    """Measure and write the section of RESULTS.md."""
    data = photo.read_bytes()
    rows = []
    with stack.running() as state:
        for mode in ("regular", "fast"):
            asyncio.run(_wall(state.url, data, mode, CALLERS * 5))
            walls: list[float] = []
            latencies: list[float] = []
            for _ in range(ROUNDS):
                wall, each = asyncio.run(_wall(state.url, data, mode, calls))
                walls.append(wall)
                latencies += each
            rows.append(
                [
                    mode,
                    f"{statistics.median(walls):.1f} ({min(walls):.1f} to {max(walls):.1f})",
                    results.spread(latencies),
                ]
            )
    results.record(
        "Throughput (`python -m benchmarks throughput`)",
        f"{photo.name} (1280x720), {CALLERS} concurrent calls, {ROUNDS} rounds of {calls}, client included. A call's "
        "wall time is the round's time divided by its calls: median (lowest to highest round). Latency: median (5th to "
        "95th percentile).\n\n" + results.table(["mode", "ms of wall time a call", "latency, ms"], rows),
    )
