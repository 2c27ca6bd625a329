"""The throughput of the bus: one server or three, with different numbers of copies and partitions."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Never, TypeAlias

from tqdm import tqdm

from benchmarks import nats_servers, results
from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.apply import apply
from platelane.bus.parts import Parts
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.usage import CallCounter
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import HookRegistry
from webhook_svc.fan_out import FanOut

Progress: TypeAlias = "tqdm[Never]"

ROUNDS: Final = 3
"""Rounds of each layout; figures are medians."""
JOBS: Final = 500
WHOLE_JOBS: Final = 200
RESULTS: Final = 1_000
SENDERS: Final = 32
UNDER_WAY: Final = 128
"""Most messages that are published and not yet handled, because queues refuse more."""
CAMERAS: Final = 60
CROPS: Final = {subjects.PLATE_CROPS: 93_000, subjects.VEHICLE_CROPS: 61_000}
"""Sizes of messages for one plate and one vehicle, in bytes."""
PART: Final = 2_000
HOOKS: Final = (0, 1, 4)


@dataclass(frozen=True, slots=True)
class Layout:
    """A bus: numbers of servers, copies of durable data and of work, and partitions."""

    servers: int
    copies: int
    work_copies: int
    partitions: int

    @property
    def name(self) -> str:
        """Title of its table row."""
        if self.servers == 1:
            return "1 server"
        copies = "1 copy" if self.work_copies == 1 else f"{self.work_copies} copies"
        partitions = "1 partition" if self.partitions == 1 else f"{self.partitions} partitions"
        return f"{self.servers} servers, {copies} of work, {partitions}"

    def settings(self, url: str) -> Settings:
        """The settings of every process on that bus."""
        return Settings(
            nats_url=url,
            nats_replicas=self.copies,
            nats_work_replicas=self.work_copies,
            nats_partitions=self.partitions,
            ack_wait=30,
            deadline=60,
        )


LAYOUTS: Final = (Layout(1, 1, 1, 1), Layout(3, 3, 3, 1), Layout(3, 3, 3, 3), Layout(3, 3, 1, 1), Layout(3, 3, 1, 3))


@dataclass(frozen=True, slots=True)
class Figures:
    """Throughput and cost of a number of messages."""

    rate: float
    """Messages per second."""
    cpu: float
    """Processor milliseconds per message, of all servers."""
    written: float
    """Bytes written per message, of all servers."""
    stored: float
    """Stored messages per message, including copies."""


def main(photo: Path) -> None:
    """Measure and write the section of RESULTS.md."""
    size = photo.stat().st_size
    messages = ROUNDS * len(LAYOUTS) * (JOBS + WHOLE_JOBS) + ROUNDS * 2 * RESULTS * len(HOOKS)
    carried: dict[Layout, list[Figures]] = {layout: [] for layout in LAYOUTS}
    whole: dict[Layout, list[Figures]] = {layout: [] for layout in LAYOUTS}
    dispatched: dict[tuple[int, int], list[float]] = {(s, hooks): [] for s in (1, 3) for hooks in HOOKS}
    with tqdm(total=messages, desc="bus", unit="message") as progress:
        for _ in range(ROUNDS):
            for layout in LAYOUTS:
                carried[layout].append(_on(layout, JOBS, progress, lambda bus, done: _Photos(bus, size, done)))
                whole[layout].append(_on(layout, WHOLE_JOBS, progress, lambda bus, done: _WholeJobs(bus, size, done)))
            for (servers, hooks), rates in dispatched.items():
                rates.append(_dispatched(servers, hooks, progress))
    medians = {each: statistics.median(rates) for each, rates in dispatched.items()}
    text = _report(photo, _medians(carried), _medians(whole), medians, os.getloadavg()[1])
    results.record("Bus (`python -m benchmarks bus`)", text)


class _Photos:
    """Jobs with a photograph through JOBS to a worker that only acknowledges them."""

    def __init__(self, bus: Bus, size: int, done: Callable[[], None]) -> None:
        self._bus, self._image, self._done = bus, bytes(size), done

    def workers(self) -> list[Worker[Any]]:
        return [Worker(self._bus, topology.DETECTOR, stages_pb2.Job, self._acknowledge, SENDERS)]

    async def publish(self, bus: Bus, number: int) -> None:
        await bus.publish_job_message(subjects.DETECT, stages_pb2.Job(context=_context(number), image=self._image))

    async def _acknowledge(self, _job: stages_pb2.Job, _info: MessageInfo) -> None:
        self._done()


class _WholeJobs(_Photos):
    """All messages of a job, in the sizes for one plate and one vehicle, without the processing between them."""

    def __init__(self, bus: Bus, size: int, done: Callable[[], None]) -> None:
        super().__init__(bus, size, done)
        self._parts, self._calls = Parts(bus), CallCounter(bus)

    def workers(self) -> list[Worker[Any]]:
        return [
            Worker(self._bus, topology.DETECTOR, stages_pb2.Job, self._detect, SENDERS),
            Worker(self._bus, topology.OCR, stages_pb2.Job, self._read, SENDERS),
            Worker(self._bus, topology.ATTRIBUTES, stages_pb2.Job, self._describe, SENDERS),
            Worker(self._bus, topology.AGGREGATOR, stages_pb2.Job, self._join, SENDERS),
        ]

    async def _detect(self, job: stages_pb2.Job, _info: MessageInfo) -> None:
        await self._publish_part(job, subjects.DETECTION)
        for subject, size in CROPS.items():
            await self._bus.publish_job_message(
                subject, stages_pb2.Job(context=job.context, image=bytes(size)), subject
            )

    async def _read(self, job: stages_pb2.Job, _info: MessageInfo) -> None:
        await self._publish_part(job, subjects.PLATES)

    async def _describe(self, job: stages_pb2.Job, _info: MessageInfo) -> None:
        await self._publish_part(job, subjects.VEHICLES)

    async def _publish_part(self, job: stages_pb2.Job, stage: str) -> None:
        part = stages_pb2.Job(context=job.context, image=bytes(PART))
        await self._bus.publish_job_message(subjects.part(job.context.id, stage), part, f"part.{stage}")

    async def _join(self, part: stages_pb2.Job, info: MessageInfo) -> None:
        context = part.context
        if len(await self._parts.of(context, info.sequence)) < 3:
            return
        result = stages_pb2.Result(recognition=domain_pb2.Recognition(id=context.id, filename="x" * PART))
        _, new = await asyncio.gather(
            self._calls.count("account", datetime.now(UTC), f"{context.id}.call"),
            self._bus.publish(subjects.result(context.camera_id, context.id), result, f"{context.id}.final"),
        )
        await self._parts.forget(context)
        if new:
            self._done()


def _context(number: int) -> stages_pb2.JobContext:
    deadline = int((time.time() + 60) * 1e6)
    return stages_pb2.JobContext(id=str(number), camera_id=f"camera-{number % CAMERAS}", deadline_us=deadline)


def _on(layout: Layout, count: int, progress: Progress, make: Callable[[Bus, Callable[[], None]], _Photos]) -> Figures:
    """Measure `count` jobs on a separate bus."""
    with nats_servers.running(layout.servers) as nats:
        return asyncio.run(_measured(layout, nats, count, progress, make))


async def _measured(
    layout: Layout,
    nats: nats_servers.Servers,
    count: int,
    progress: Progress,
    make: Callable[[Bus, Callable[[], None]], _Photos],
) -> Figures:
    settings = layout.settings(nats.url)
    async with _Pair(settings) as (sender, receiver):
        await apply(sender.connection, settings)
        counted = Counted(count, progress)
        jobs = make(receiver, counted.one)
        cpu, written, stored = nats.cpu_seconds(), nats.written(), await _stored(sender)
        seconds = await through(jobs.workers(), lambda number: jobs.publish(sender, number), counted)
        cpu, written = nats.cpu_seconds() - cpu, nats.written() - written
        stored = await _stored(sender) - stored
    return Figures(count / seconds, cpu * 1000 / count, written / count, stored / count)


class _Pair:
    """Two connections, one for each side."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buses: list[Bus] = []

    async def __aenter__(self) -> tuple[Bus, Bus]:
        for name in ("sender", "receiver"):
            self._buses.append(await Bus.connect(self._settings, name))
        return self._buses[0], self._buses[1]

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(bus.close() for bus in self._buses))


async def _stored(bus: Bus) -> int:
    """Messages that all servers have stored since they started."""
    infos = await bus.client.jsm(timeout=5).streams_info()
    return sum(info.state.last_seq * (info.config.num_replicas or 1) for info in infos)


def _dispatched(servers: int, hooks: int, progress: Progress) -> float:
    """Results per second that the dispatcher, of which one works at a time, puts into the queues of `hooks` hooks."""
    with nats_servers.running(servers) as nats:
        targets = tuple(f"http://127.0.0.1:9/{number}" for number in range(hooks))  # nothing is delivered here
        settings = Settings(nats_url=nats.url, nats_replicas=servers, webhook_targets=targets, ack_wait=30)
        return RESULTS / asyncio.run(_dispatching(settings, Counted(RESULTS, progress)))


async def _dispatching(settings: Settings, counted: Counted) -> float:
    async with _Pair(settings) as (sender, receiver):
        await apply(sender.connection, settings)
        dispatcher = FanOut(await HookRegistry.open(receiver), partial(Queue, receiver), settings.webhook_queue)

        async def publish(number: int) -> None:
            recognition = domain_pb2.Recognition(id=str(number), camera_id="gate")
            result = stages_pb2.Result(recognition=recognition)
            await sender.publish(subjects.result("gate", str(number)), result, str(number))

        async def handle(result: stages_pb2.Result, info: MessageInfo) -> None:
            await dispatcher.handle(result, info)
            counted.one()

        return await through([Worker(receiver, topology.FAN_OUT, stages_pb2.Result, handle, 1)], publish, counted)


class Counted:
    """Counts handled messages up to a total."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total = total
        self.all = asyncio.Event()
        self.room = asyncio.Semaphore(UNDER_WAY)
        self._handled = 0
        self._progress = progress

    def one(self) -> None:
        """Count one."""
        self._handled += 1
        self.room.release()
        self._progress.update()
        if self._handled == self.total:
            self.all.set()


async def through(workers: Iterable[Worker[Any]], publish: Callable[[int], Awaitable[None]], counted: Counted) -> float:
    """Seconds from the publication of the first message until the last one is handled."""
    stop, left = asyncio.Event(), iter(range(counted.total))

    async def send() -> None:
        for number in left:
            await counted.room.acquire()
            await publish(number)

    start = time.perf_counter()
    working = asyncio.gather(*(worker.run(stop) for worker in workers))
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    await counted.all.wait()
    seconds = time.perf_counter() - start
    stop.set()
    await working
    return seconds


def _median(figures: list[Figures]) -> Figures:
    rates, cpu, written, stored = zip(
        *((each.rate, each.cpu, each.written, each.stored) for each in figures), strict=True
    )
    return Figures(*map(statistics.median, (rates, cpu, written, stored)))


def _medians(measured: dict[Layout, list[Figures]]) -> dict[Layout, Figures]:
    return {layout: _median(figures) for layout, figures in measured.items()}


def _report(
    photo: Path,
    carried: dict[Layout, Figures],
    whole: dict[Layout, Figures],
    dispatched: dict[tuple[int, int], float],
    load: float,
) -> str:
    size = photo.stat().st_size
    return "\n\n".join(
        [
            f"A photograph of {size / 1000:.0f} kB, {SENDERS} senders and {CAMERAS} cameras. All servers, and all "
            f"clients in one process, ran on this machine, whose load average was {load:.1f}. Medians of {ROUNDS} "
            "rounds; the layouts took turns in each round, so other load affected all of them. On three servers, "
            "durable data has three copies; the rows give the copies and partitions of work. Processor time and bytes "
            "are those of all servers together.",
            "**Jobs alone**, through JOBS to a worker that only acknowledges them:",
            _table(carried, size),
            "**All messages of a job** with one plate and one vehicle: the job, crops, parts, the result, the count, "
            "and removing the parts, but without the work between them:",
            _table(whole, size + sum(CROPS.values())),
            "**The dispatcher** puts one result at a time, regardless of replicas, into the queue of every webhook:",
            results.table(
                ["webhooks", "results/s, 1 server", "results/s, 3 servers"],
                [[str(hooks), f"{dispatched[1, hooks]:.0f}", f"{dispatched[3, hooks]:.0f}"] for hooks in HOOKS],
            ),
            "**The next limit of one bus here**, with processors and GPUs added as needed; servers on separate "
            "machines carry more:",
            results.table(
                ["bus", "limit without webhooks", "limit with one webhook"],
                [[layout.name, *_limits(layout, figures, dispatched)] for layout, figures in carried.items()],
            ),
        ]
    )


def _table(measured: dict[Layout, Figures], size: int) -> str:
    return results.table(
        ["bus", "jobs/s", "MB/s", "ms of processor a job", "kB written a job", "messages stored a job"],
        [
            [
                layout.name,
                f"{figures.rate:.0f}",
                f"{figures.rate * size / 1e6:.0f}",
                f"{figures.cpu:.2f}",
                f"{figures.written / 1000:.0f}",
                f"{figures.stored:.1f}",
            ]
            for layout, figures in measured.items()
        ],
    )


def _limits(layout: Layout, figures: Figures, dispatched: dict[tuple[int, int], float]) -> tuple[str, str]:
    """The first limit on this layout, without and with webhooks, measured on the same number of servers."""
    jobs = f"JOBS, {figures.rate:.0f} photographs/s"
    dispatcher = dispatched[layout.servers, 1]
    return jobs, jobs if figures.rate < dispatcher else f"the dispatcher, {dispatcher:.0f} results/s"
