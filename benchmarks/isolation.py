"""The effect of webhooks on recognitions: without any, and with 100 of which half never answer."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from tqdm import tqdm

from benchmarks import results, stack
from benchmarks.receiver import ReceiverProcess, black_hole, free_port
from platelane.bus import Bus
from platelane.local.state import State
from platelane.runtime.settings import Settings
from platelane.webhooks.queue import hook_of_stream

HOOKS = 100
SILENT = 50
"""Number of them whose receiver accepts requests but never answers."""
TURNS = 5
"""Rounds of each kind, alternating."""
CALLS = 100
"""Calls per round."""
RATE = 4.0
"""Photographs per second, sent when due, however long the answers take."""
SETTLING = 10.0
"""Seconds to wait before the first call after hooks have changed and their queues have consumers."""
PROCESSES = ("webhook_svc", "aggregator", "nats-server")
"""Processes whose processor time is reported."""


@dataclass(slots=True)
class Kind:
    """The measurements of one kind: latencies in ms, and processor time in ms per photograph."""

    turns: list[list[float]] = field(default_factory=list)
    busy: dict[str, list[float]] = field(default_factory=dict)

    @property
    def latencies(self) -> list[float]:
        """The latencies of all rounds."""
        return [each for turn in self.turns for each in turn]


async def _load(url: str, photo: bytes) -> list[float]:
    """Milliseconds from when each call was due to its answer."""

    async def call(client: httpx.AsyncClient, due: float) -> float:
        await asyncio.sleep(due - time.perf_counter())
        (await client.post("/v1/plate-reader/", files={"upload": photo})).raise_for_status()
        return (time.perf_counter() - due) * 1000

    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        start = time.perf_counter() + 0.5
        return await asyncio.gather(*(call(client, start + number / RATE) for number in range(CALLS)))


def _seconds(state: State) -> dict[str, float]:
    """Processor seconds so far, by process."""
    pids = {name: state.processes[name].pid for name in PROCESSES}
    return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in pids.items() if pid}


async def _until_served(bus: Bus, hooks: set[int]) -> None:
    """Return once each of these hooks has a queue, and each queue its consumers."""
    async with asyncio.timeout(120):
        while True:
            page = await bus.connection.ask("$JS.API.STREAM.LIST", b"", time.time() + 10)
            served = {
                hook_of_stream(stream["config"]["name"])
                for stream in page.get("streams") or ()
                if stream["state"]["consumer_count"]
            }
            if hooks <= served:
                return
            await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def _hooks(bus: Bus, url: str, targets: Sequence[str]) -> AsyncIterator[None]:
    """A webhook for each target while the block runs."""
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        made = [(await client.post("/v1/webhooks/", json={"target": target})).raise_for_status() for target in targets]
        try:
            await _until_served(bus, {hook.json()["id"] for hook in made})
            yield
        finally:
            for hook in made:
                (await client.delete(f"/v1/webhooks/{hook.json()['id']}/")).raise_for_status()


async def _measure(state: State, photo: bytes, folder: Path) -> tuple[Kind, Kind, int]:
    """The measurements without and with hooks, and the number of events that arrived."""
    receiver = ReceiverProcess(free_port(), folder / "receiver.jsonl")
    receiver.start()
    kinds = Kind(), Kind()
    bus = await Bus.connect(Settings(nats_url=state.nats_url), "benchmark")
    try:
        async with black_hole() as silent:
            targets = [silent if number < SILENT else receiver.url for number in range(HOOKS)]
            await _load(state.url, photo)
            for turn in tqdm(range(2 * TURNS), desc="isolation", unit="turn"):
                kind = kinds[turn % 2]
                async with _hooks(bus, state.url, targets if turn % 2 else ()):
                    await asyncio.sleep(SETTLING)
                    before = _seconds(state)
                    kind.turns.append(await _load(state.url, photo))
                    for name, seconds in _seconds(state).items():
                        kind.busy.setdefault(name, []).append(1000 * (seconds - before[name]) / CALLS)
                await asyncio.sleep(SETTLING)
    finally:
        receiver.kill()
        await bus.close()
    return *kinds, len(receiver.arrivals())


def _p99(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=100)[-1]


def _row(name: str, kind: Kind) -> list[str]:
    p99s = [_p99(turn) for turn in kind.turns]
    return [
        name,
        f"{statistics.median(kind.latencies):.1f}",
        f"{_p99(kind.latencies):.1f}",
        f"{statistics.median(p99s):.1f} ({min(p99s):.1f} to {max(p99s):.1f})",
        *(f"{statistics.median(kind.busy[process]):.1f}" for process in PROCESSES),
    ]


def main(photo: Path) -> None:
    """Measure and write the section of RESULTS.md."""
    with tempfile.TemporaryDirectory(prefix="platelane-benchmark-") as folder, stack.running() as state:
        without, beside, arrived = asyncio.run(_measure(state, photo.read_bytes(), Path(folder)))
    medians = [statistics.median([_p99(turn) for turn in kind.turns]) for kind in (without, beside)]
    change = 100 * (medians[1] / medians[0] - 1)
    results.record(
        "Answers beside webhooks (`python -m benchmarks isolation`)",
        f"{photo.name} (1280x720), {RATE:g} a second; {TURNS} rounds of {CALLS} calls without webhooks, alternating "
        f"with as many with {HOOKS} webhooks, {SILENT} of which never answer. Milliseconds from when a call was due to "
        f"its answer. The median round's p99 changes by **{change:+.1f} %**; aim: at most 5 %. Receivers, client and "
        f"everything else share the machine. {arrived} events arrived at the receivers that answer.\n\n"
        + results.table(
            [
                "webhooks",
                "median",
                "p99 of all",
                "p99 of a turn: median (lowest to highest)",
                *(f"{process}, ms of processor a photo" for process in PROCESSES),
            ],
            [_row("none", without), _row(f"{HOOKS}, {SILENT} never answer", beside)],
        ),
    )
