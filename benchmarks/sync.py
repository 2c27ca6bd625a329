"""The cost of having nats-server flush to disk before it confirms (`sync_interval: always`)."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from tqdm import tqdm

from benchmarks import nats_servers, results
from platelane.bus import Bus, subjects, topology
from platelane.bus.apply import apply
from platelane.pb.v1 import stages_pb2
from platelane.runtime.settings import SYNC_INTERVAL, Settings

INTERVALS = (SYNC_INTERVAL, "always")
JOBS = 150
"""Jobs stored per figure: one after another for latencies, and `AT_ONCE` at a time for rates."""
AT_ONCE = 32
TURNS = 3


def main(photo: Path) -> None:
    """Measure both alternately, and write the section of RESULTS.md."""
    image = photo.read_bytes()
    latencies: dict[str, list[float]] = {interval: [] for interval in INTERVALS}
    rates: dict[str, list[float]] = {interval: [] for interval in INTERVALS}
    with tqdm(total=TURNS * len(INTERVALS), desc="sync", unit="run") as progress:
        for _ in range(TURNS):
            for interval in INTERVALS:
                with nats_servers.running(1, interval) as servers:
                    waits, rate = asyncio.run(
                        _measured(Settings(nats_url=servers.url, queue_limit=4 * JOBS, deadline=60), image)
                    )
                latencies[interval] += waits
                rates[interval].append(rate)
                progress.update()
    rows = [
        [interval, results.spread(latencies[interval]), f"{statistics.median(rates[interval]):.0f}"]
        for interval in INTERVALS
    ]
    header = ["`PLATELANE_NATS_SYNC_INTERVAL`", "ms until a job is stored (5 % to 95 %)", f"jobs/s, {AT_ONCE} at once"]
    results.record(
        "Flushing to disk",
        f"One nats-server, {len(image) / 1000:.0f} kB a job, {TURNS} alternating rounds of {JOBS} jobs. "
        "`python -m benchmarks sync`.\n\n" + results.table(header, rows),
    )


async def _measured(settings: Settings, image: bytes) -> tuple[list[float], float]:
    """Milliseconds of each job that is stored alone, and jobs per second when many are stored at once."""
    bus = await Bus.connect(settings, "benchmark")
    try:
        await apply(bus.connection, settings)
        waits = []
        for number in range(JOBS):
            start = time.perf_counter()
            await _store(bus, f"one-{number}", image)
            waits.append((time.perf_counter() - start) * 1000)
        await bus.stream(topology.JOBS).purge()
        places = asyncio.Semaphore(AT_ONCE)

        async def store(number: int) -> None:
            async with places:
                await _store(bus, f"many-{number}", image)

        start = time.perf_counter()
        await asyncio.gather(*map(store, range(JOBS)))
        return waits, JOBS / (time.perf_counter() - start)
    finally:
        await bus.close()


async def _store(bus: Bus, job_id: str, image: bytes) -> None:
    await bus.publish(subjects.DETECT, stages_pb2.Job(context=stages_pb2.JobContext(id=job_id), image=image), job_id)
