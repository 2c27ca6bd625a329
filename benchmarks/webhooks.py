"""Webhooks while processes are killed, and the effect of a receiver that never answers on others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import signal
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks import results, stack
from benchmarks.receiver import Arrival, ReceiverProcess, black_hole, free_port
from platelane.bus import Bus, subjects, topology
from platelane.local import state
from platelane.local.state import State
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings

EVENTS = 2_000
"""Events published as results; photographs sent to the API meanwhile add more."""
CAMERAS = 20
RATE = 12.0
UPLOAD_PAUSE = 0.8
VICTIMS = ("aggregator", "webhook_svc", "nats-server", "gateway", "receiver")
PAUSE = (6.0, 12.0)
"""Random seconds between two kills, because the supervisor delays restarts of processes that keep dying."""
SETTLING = 240.0
ROUNDS = 5
EVENTS_A_ROUND = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """The events that a receiver got, compared with those expected."""

    lost: int
    repeated: int
    other_keys: int
    overtaken: int


class System:
    """The running system, located by its state file even after kills."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def now(self) -> State:
        found = state.read(self._directory)
        if found is None:
            raise RuntimeError("the system is not running any more")
        return found

    def kill(self, name: str) -> None:
        pid = self.now.processes[name].pid
        if pid is not None and psutil.pid_exists(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def api(self, method: str, path: str, patience: float = 60.0, **options: object) -> httpx.Response:
        """An answer of the API; repeats the request while it is unavailable."""
        end = time.monotonic() + patience
        async with httpx.AsyncClient(base_url=self.now.url, trust_env=False, timeout=15) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    response = await client.request(method, path, **options)  # type: ignore[arg-type]
                    if response.status_code < 500:
                        return response.raise_for_status()
                if time.monotonic() > end:
                    raise RuntimeError(f"{method} {path} is not answered")
                await asyncio.sleep(0.2)


def _result(name: str, camera: str) -> stages_pb2.Result:
    recognition = domain_pb2.Recognition(
        id=name,
        camera_id=camera,
        filename=f"{name}.jpg",
        timestamp_us=round(time.time() * 1e6),
        image_width=1280,
        image_height=720,
        sightings=[domain_pb2.Sighting(plate=domain_pb2.Plate(text="abc123", text_score=0.9))],
    )
    return stages_pb2.Result(recognition=recognition, account="everybody")


async def _publish(bus: Bus, count: int, rate: float) -> None:
    """Publish results at a steady rate; those that NATS does not confirm are published again under the same id."""
    start, run = time.monotonic(), secrets.token_hex(8)
    for number in range(count):
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        name, camera = f"{run}{number:06d}", f"camera {number % CAMERAS}"
        await bus.publish(subjects.result(camera, name), _result(name, camera), f"{name}.final", time.time() + 120)


async def _upload(system: System, photo: Path, over: asyncio.Event) -> set[str]:
    """Send photographs one after another, each with its own camera; returns the cameras of the answered ones."""
    data = photo.read_bytes()
    answered: set[str] = set()
    async with httpx.AsyncClient(base_url=system.now.url, trust_env=False, timeout=15) as client:
        while not over.is_set():
            camera = f"upload {secrets.token_hex(6)}"
            with contextlib.suppress(httpx.TransportError):
                files, fields = {"upload": ("gate.jpg", data)}, {"camera_id": camera}
                if (await client.post("/v1/plate-reader/", files=files, data=fields)).status_code == 200:
                    answered.add(camera)
            await asyncio.sleep(UPLOAD_PAUSE)
    return answered


async def _kill(system: System, receiver: ReceiverProcess, over: asyncio.Event) -> Counter[str]:
    """Kill random processes until `over`; returns how often each was killed."""
    killed: Counter[str] = Counter()
    order: list[str] = []
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(*PAUSE)):
                await over.wait()
        order = order or random.sample(VICTIMS, len(VICTIMS))
        victim = order.pop()
        killed[victim] += 1
        if victim == "receiver":
            receiver.kill()
            await asyncio.sleep(random.uniform(0.0, 2.0))
            receiver.start()
        else:
            system.kill(victim)
    return killed


async def _stored(bus: Bus) -> dict[str, list[str]]:
    """The ids of all results in the stream by camera, in order."""
    stream, start = bus.stream(topology.RESULTS), 1
    found: dict[str, list[str]] = defaultdict(list)
    while records := await stream.read(subjects.ALL_RESULTS, start, 500):
        for record in records:
            found[subjects.decode(record.subject.split(".")[2])].append(record.key)
        start = records[-1].sequence + 1
    return found


def _verdict(expected: dict[str, list[str]], arrivals: Iterable[Arrival]) -> Verdict:
    keys: dict[str, list[str]] = defaultdict(list)
    firsts: dict[str, list[str]] = defaultdict(list)
    for arrival in arrivals:
        if arrival.event not in keys:
            firsts[arrival.camera].append(arrival.event)
        keys[arrival.event].append(arrival.key)
    wanted = [event for events in expected.values() for event in events]
    return Verdict(
        lost=sum(event not in keys for event in wanted),
        repeated=sum(len(keys[event]) - 1 for event in wanted if event in keys),
        other_keys=sum(len(set(keys[event])) > 1 for event in wanted if event in keys),
        overtaken=sum(
            one != other for camera in expected for one, other in zip(expected[camera], firsts[camera], strict=False)
        ),
    )


async def _under_kills(system: System, photo: Path, folder: Path) -> str:
    steady = ReceiverProcess(free_port(), folder / "steady.jsonl")
    mortal = ReceiverProcess(free_port(), folder / "mortal.jsonl")
    bus = await Bus.connect(Settings(nats_url=system.now.nats_url), "benchmark")
    try:
        for receiver in (steady, mortal):
            receiver.start()
            await system.api("POST", "/v1/webhooks/", json={"target": receiver.url})
        await asyncio.sleep(2)
        before = {event for events in (await _stored(bus)).values() for event in events}
        over = asyncio.Event()
        meanwhile = asyncio.gather(_kill(system, mortal, over), _upload(system, photo, over))
        await _publish(bus, EVENTS, RATE)
        over.set()
        killed, answered = await meanwhile
        end = time.monotonic() + SETTLING
        while True:
            expected = {
                camera: [e for e in events if e not in before] for camera, events in (await _stored(bus)).items()
            }
            verdicts = [_verdict(expected, receiver.arrivals()) for receiver in (steady, mortal)]
            if not any(verdict.lost for verdict in verdicts) or time.monotonic() > end:
                break
            await asyncio.sleep(2)
    finally:
        for receiver in (steady, mortal):
            receiver.kill()
        await bus.close()
    number = sum(map(len, expected.values()))
    unheard = sum(not expected.get(camera) for camera in answered)
    rows = [
        [
            name,
            str(number),
            str(v.lost),
            f"{v.repeated} ({100 * v.repeated / number:.2f} %)",
            str(v.other_keys),
            str(v.overtaken),
        ]
        for name, v in zip(("stays", "is killed too"), verdicts, strict=True)
    ]
    kills = ", ".join(f"{victim} {killed[victim]} times" for victim in VICTIMS)
    return (
        f"{number} events of {len(expected)} cameras, {len(answered)} of them from uploads that were answered with 200 "
        f"(without an event: {unheard}), while random processes were killed (SIGKILL): {kills}.\n\n"
        + results.table(
            ["receiver", "events", "lost", "repeated", "repeated under another key", "out of order in their camera"],
            rows,
        )
    )


async def _beside_silent_receiver(system: System, folder: Path) -> str:
    """Latency at a healthy receiver while a second one answers or never answers, in alternating rounds."""
    healthy = ReceiverProcess(free_port(), folder / "healthy.jsonl")
    second = ReceiverProcess(free_port(), folder / "second.jsonl")
    latencies: dict[bool, list[float]] = {False: [], True: []}
    p99: dict[bool, list[float]] = {False: [], True: []}
    bus = await Bus.connect(Settings(nats_url=system.now.nats_url), "benchmark")
    healthy.start()
    second.start()
    try:
        async with black_hole() as silent:
            for old in (await system.api("GET", "/v1/webhooks/")).json()["results"]:
                await system.api("DELETE", f"/v1/webhooks/{old['id']}/")
            await system.api("POST", "/v1/webhooks/", json={"target": healthy.url})
            for number in range(2 * ROUNDS):
                dead = number % 2 == 1
                target = silent if dead else second.url
                hook = (await system.api("POST", "/v1/webhooks/", json={"target": target})).json()
                await asyncio.sleep(2)
                seen = len(healthy.arrivals())
                await _publish(bus, EVENTS_A_ROUND, RATE)
                await asyncio.sleep(3)
                some = [1000 * (arrival.at - arrival.made) for arrival in healthy.arrivals()[seen:]]
                latencies[dead] += some
                p99[dead].append(_p99(some))
                await system.api("DELETE", f"/v1/webhooks/{hook['id']}/")
    finally:
        for receiver in (healthy, second):
            receiver.kill()
        await bus.close()
    rows = [
        [
            name,
            str(len(some)),
            f"{statistics.median(some):.1f}",
            f"{_p99(some):.1f}",
            f"{statistics.median(p99[dead]):.1f}",
        ]
        for name, dead, some in (
            ("answers", False, latencies[False]),
            ("never answers", True, latencies[True]),
        )
    ]
    change = 100 * (statistics.median(p99[True]) / statistics.median(p99[False]) - 1)
    return (
        f"Milliseconds from a result's publication to its arrival at a healthy receiver, while a second receiver of "
        f"the same events answers or never answers; {ROUNDS} alternating rounds of {EVENTS_A_ROUND} events. The median "
        f"round's p99 changes by **{change:+.1f} %**; aim: at most 10 % more. (A second receiver that answers takes "
        "its share of the machine; one that does not answer takes none.)\n\n"
        + results.table(["second receiver", "events", "median", "p99 of all", "p99, median of the rounds"], rows)
    )


def _p99(milliseconds: list[float]) -> float:
    return statistics.quantiles(milliseconds, n=100)[-1]


def main(photo: Path) -> None:
    """Measure and write the section of RESULTS.md."""
    with tempfile.TemporaryDirectory(prefix="platelane-benchmark-") as folder, stack.running() as started:
        system = System(started.logs.parent)
        delays = asyncio.run(_beside_silent_receiver(system, Path(folder)))
        fire = asyncio.run(_under_kills(system, photo, Path(folder)))
    results.record("Webhooks (`python -m benchmarks webhooks`)", f"{fire}\n\n{delays}")
