"""What a photograph costs each process, how replicas share the work, and what one bus can carry."""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never, TypeAlias, TypeVar

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families
from tqdm import tqdm

from benchmarks import nats_servers, results, stack
from platelane.bus import Bus, Worker, subjects, topology
from platelane.bus.worker import Wire
from platelane.hooks.store import Hooks
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.settings import Settings
from platelane.supervisor.programs import SERVICES, WORKERS
from platelane.supervisor.state import State
from webhook_svc.dispatcher import Dispatcher

Progress: TypeAlias = "tqdm[Never]"
M = TypeVar("M", bound=Wire)

PHOTOS: Final = 200
CALLERS: Final = 8
WARM_UP: Final = 20
LOADS: Final = (10, 100, 1_000)
"""Photographs a second to find the number of processes for."""
BUSY: Final = 0.7
"""Of a core that a process may be busy on average, so that it can follow peaks."""
STAGES: Final = {"detector": "detector", "ocr": "ocr", "attributes": "attributes", "aggregator": "webhook_svc"}
"""Stages with the service that runs them."""
SENDERS: Final = 32
UNDER_WAY: Final = 128
"""Messages published and not yet handled, at most; a queue refuses what is too much."""
RESULTS: Final = 1_000
SETTLING: Final = 10.0
"""Seconds that what follows an answer may take."""

_SETTLED: Final = (topology.JOBS, topology.CROPS, topology.PARTS, topology.DEAD)


@dataclass(frozen=True, slots=True)
class Reading:
    """What has been used and done since the start of the system."""

    cpu: dict[str, float]
    """Seconds by service, nats-server and triton."""
    handled: dict[str, Counter[str]]
    """Messages by stage and process."""
    carried: int
    """Bytes that nats-server has received and sent."""
    written: int
    """Bytes that nats-server has written to files."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of photographs took."""

    seconds: float
    cpu: dict[str, float]
    """Milliseconds a photograph, by service, nats-server and triton."""
    handled: dict[str, list[int]]
    """Messages by stage, for each replica."""
    carried: float
    """Bytes a photograph."""
    written: float


@dataclass(frozen=True, slots=True)
class Carried:
    """What the bus made of a number of jobs that nobody worked on."""

    servers: int
    size: int
    rate: float
    cpu: float
    """Milliseconds a job, of all servers."""
    written: float
    """Bytes a job, of all servers."""


def main(photo: Path) -> None:
    """Measure and write the section of RESULTS.md."""
    data = photo.read_bytes()
    bus = [(1, 1_000, 2_000), (1, len(data), 1_000), (1, 1_000_000, 200), (3, len(data), 600)]
    total = 2 * PHOTOS + sum(jobs for _, _, jobs in bus) + 3 * RESULTS
    with tqdm(total=total, desc="scale", unit="message") as progress:
        one, two = (_loaded(data, replicas, progress) for replicas in (1, 2))
        carried = [_carried(*each, progress) for each in bus]
        dispatched = {hooks: _dispatched(hooks, progress) for hooks in (0, 1, 4)}
    results.record("Scale (`python -m benchmarks scale`)", _report(photo, one, two, carried, dispatched))


def _loaded(photo: bytes, replicas: int, progress: Progress) -> Load:
    """A system of its own with so many replicas of each stage, under load.

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
    """Every photograph has to be answered with 200; what was read, and how often."""
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


def _reading(state: State) -> Reading:
    cpu: defaultdict[str, float] = defaultdict(float)
    handled: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
    for name, process in state.processes.items():
        if process.pid is None:
            raise RuntimeError(f"{name} has died")
        service = re.sub(r"-\d+$", "", name)
        cpu[service] += _cpu_seconds(process.pid)
        if service in SERVICES:
            counts = _handled(process.ready_url.replace("/readyz", "/metrics"))
            for stage in (stage for stage, of in STAGES.items() if of == service):
                handled[stage][name] = counts.get(stage, 0)
    server = state.processes["nats-server"]
    page = nats_servers.monitored(server.ready_url.replace("/healthz", "/varz"))
    written = psutil.Process(server.pid).io_counters().write_bytes
    return Reading(cpu, handled, page["in_bytes"] + page["out_bytes"], written)


def _cpu_seconds(pid: int) -> float:
    """Of a process and those it has started: Triton's models run in processes of their own."""
    process = psutil.Process(pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def _handled(address: str) -> dict[str, int]:
    """Messages that a process has worked on, by stage."""
    families = text_string_to_metric_families(httpx.get(address, trust_env=False).raise_for_status().text)
    return {
        sample.labels["stage"]: int(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == "platelane_stage_seconds_count"
    }


def _check_settled(state: State, photos: int) -> None:
    """Every photograph has its result, and nothing stays in a queue or has been given up."""
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


def _carried(servers: int, size: int, jobs: int, progress: Progress) -> Carried:
    """Jobs of `size` bytes through the stream JOBS to a consumer that only acknowledges them."""
    image = bytes(size)

    async def publish(bus: Bus, number: int) -> None:
        context = stages_pb2.JobContext(id=str(number), deadline_us=int((time.time() + 60) * 1e6))
        await bus.publish(subjects.DETECT, stages_pb2.Job(context=context, image=image), str(number))

    async def carry(bus: Bus, counted: _Counted) -> Worker[stages_pb2.Job]:
        async def acknowledge(_: stages_pb2.Job) -> None:
            counted.one()

        return Worker(bus, topology.DETECTOR, stages_pb2.Job, acknowledge, SENDERS)

    with nats_servers.running(servers) as nats:
        settings = Settings(nats_url=nats.url, nats_replicas=servers, ack_wait=30)
        cpu, written = nats.cpu_seconds(), nats.written()
        seconds = asyncio.run(_through(settings, publish, carry, _Counted(jobs, progress)))
        cpu, written = nats.cpu_seconds() - cpu, nats.written() - written
    return Carried(servers, size, jobs / seconds, cpu * 1000 / jobs, written / jobs)


def _dispatched(hooks: int, progress: Progress) -> float:
    """Results a second that the dispatcher, of which one works at a time, puts into the queues of so many hooks."""

    async def publish(bus: Bus, number: int) -> None:
        recognition = domain_pb2.Recognition(id=str(number), camera_id="gate")
        result = stages_pb2.Result(recognition=recognition)
        await bus.publish(subjects.result("gate", str(number)), result, str(number))

    async def dispatch(bus: Bus, counted: _Counted) -> Worker[stages_pb2.Result]:
        dispatcher = Dispatcher(bus, await Hooks.open(bus))

        async def handle(result: stages_pb2.Result) -> None:
            await dispatcher.handle(result)
            counted.one()

        return Worker(bus, topology.DISPATCHER, stages_pb2.Result, handle, 1)

    with nats_servers.running(1) as nats:
        targets = tuple(f"http://127.0.0.1:9/{number}" for number in range(hooks))  # nobody delivers here
        settings = Settings(nats_url=nats.url, webhook_targets=targets, ack_wait=30)
        return RESULTS / asyncio.run(_through(settings, publish, dispatch, _Counted(RESULTS, progress)))


class _Counted:
    """Messages that have been handled, up to a total."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total = total
        self.all = asyncio.Event()
        self.room = asyncio.Semaphore(UNDER_WAY)
        self._handled = 0
        self._progress = progress

    def one(self) -> None:
        self._handled += 1
        self.room.release()
        self._progress.update()
        if self._handled == self.total:
            self.all.set()


async def _through(
    settings: Settings,
    publish: Callable[[Bus, int], Awaitable[None]],
    work: Callable[[Bus, _Counted], Awaitable[Worker[M]]],
    counted: _Counted,
) -> float:
    """Seconds from the first message's publication to the last one's end, on a connection for each side."""
    sender, receiver = await Bus.connect(settings, "sender"), await Bus.connect(settings, "receiver")
    try:
        worker, stop, left = await work(receiver, counted), asyncio.Event(), iter(range(counted.total))

        async def send() -> None:
            for number in left:
                await counted.room.acquire()
                await publish(sender, number)

        start = time.perf_counter()
        working = asyncio.create_task(worker.run(stop))
        await asyncio.gather(*(send() for _ in range(SENDERS)))
        await counted.all.wait()
        seconds = time.perf_counter() - start
        stop.set()
        await working
        return seconds
    finally:
        await asyncio.gather(sender.close(), receiver.close())


def _report(photo: Path, one: Load, two: Load, carried: list[Carried], dispatched: dict[int, float]) -> str:
    size = photo.stat().st_size
    cores = len(os.sched_getaffinity(0))
    charged, passed = sum(one.cpu.values()), one.seconds * 1000 / PHOTOS
    jobs = next(each for each in carried if (each.servers, each.size) == (1, size))
    slowest = max(WORKERS, key=lambda name: one.cpu[name])
    return "\n\n".join(
        [
            f"{photo.name} (1280x720, {size / 1000:.0f} kB), `mmc=true`, {PHOTOS} photographs, {CALLERS} at a time. "
            "Every one was answered, all alike, and nothing was left in a queue, with one and with two of each stage.",
            f"**What a photograph costs.** Milliseconds of processor time, client not included. One of each: "
            f"{charged:.0f} ms together, while {passed:.0f} ms passed on each of {cores} cores. nats-server receives "
            f"and sends {one.carried / 1000:.0f} kB a photograph and writes {one.written / 1000:.0f} kB to files.",
            results.table(
                ["process", "one of each", "two of each", "photographs/s of one core"],
                [
                    [name, f"{one.cpu[name]:.1f}", f"{two.cpu[name]:.1f}", f"{1000 / one.cpu[name]:.0f}"]
                    for name in one.cpu
                ],
            ),
            f"**Processes for a load**, each busy on {BUSY:.0%} of a core; nats-server and triton: cores (Triton "
            f"without a GPU). After Triton, the stage that needs most is {slowest}.",
            results.table(
                ["photographs/s", *one.cpu],
                [
                    [str(load), *(str(math.ceil(load * cpu / 1000 / BUSY)) for cpu in one.cpu.values())]
                    for load in LOADS
                ],
            ),
            "**How two replicas share the work**, messages handled by each:",
            results.table(
                ["stage", "first", "second"], [[stage, *map(str, counts)] for stage, counts in two.handled.items()]
            ),
            "**What one bus carries**: jobs with a picture through the stream JOBS to a consumer that only "
            f"acknowledges, {SENDERS} at once, all on this machine; with three servers each keeps a copy. Processor "
            "time and bytes written are those of all servers.",
            results.table(
                ["servers", "picture, kB", "jobs/s", "MB/s", "ms of processor a job", "kB written a job"],
                [
                    [
                        str(each.servers),
                        f"{each.size / 1000:.0f}",
                        f"{each.rate:.0f}",
                        f"{each.rate * each.size / 1e6:.1f}",
                        f"{each.cpu:.2f}",
                        f"{each.written / 1000:.0f}",
                    ]
                    for each in carried
                ],
            ),
            "**What the dispatcher does**, one result at a time however many replicas there are, into the queue of "
            "every webhook:",
            results.table(
                ["webhooks", "results/s"], [[str(hooks), f"{rate:.0f}"] for hooks, rate in dispatched.items()]
            ),
            "So here, with processors and GPUs added as needed, the next limit of one bus is "
            f"{_next_limit(jobs, dispatched)}.",
        ]
    )


def _next_limit(jobs: Carried, dispatched: dict[int, float]) -> str:
    limits = {f"the stream JOBS on one server, at {jobs.rate:.0f} photographs/s": jobs.rate} | {
        f"the dispatcher with {hooks} webhook{'s' if hooks > 1 else ''}, at {rate:.0f} results/s": rate
        for hooks, rate in dispatched.items()
        if hooks
    }
    return min(limits, key=lambda name: limits[name])
