"""Any process may be killed at any time; no job is lost, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.parts import Parts
from platelane.pb.v1.stages_pb2 import Job, Part, Reply
from platelane.runtime.settings import Settings
from platelane.usage import CallCounter
from tests.support import Caller, NatsServer, apply_topology, eventually, job, running, stored, unsettled

ROOT = Path(__file__).resolve().parents[2]
NOVEMBER = datetime(2026, 11, 30, tzinfo=UTC)
Start = Callable[[str, str], subprocess.Popen[bytes]]


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Start a worker process (name, kind)."""
    processes: list[subprocess.Popen[bytes]] = []
    environment = {
        **os.environ,
        "PLATELANE_NATS_URL": settings.nats_url,
        "PLATELANE_ACK_WAIT": str(settings.ack_wait),
        "PLATELANE_MAX_DELIVER": str(settings.max_deliver),
        "PLATELANE_QUEUE_LIMIT": str(settings.queue_limit),
        "PLATELANE_DEADLINE": str(settings.deadline),
        "PLATELANE_IN_FLIGHT": "1",
    }

    def run(name: str, kind: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.bus.worker_process", name, kind]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


async def first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await asyncio.to_thread(process.stdout.readline)).decode().strip()


async def settled(bus: Bus) -> None:
    """Nothing is queued and nobody holds anything."""

    async def holds() -> bool:
        return await stored(bus, topology.JOBS) == 0 and await unsettled(bus, topology.JOBS, "detector") == 0

    await eventually(holds)


async def test_job_of_a_killed_process_is_done_by_another(bus: Bus, start: Start) -> None:
    await bus.publish(subjects.DETECT, job("a"), "a")
    victim = start("victim", "stuck")
    assert await first_line(victim) == "a"

    victim.send_signal(signal.SIGKILL)
    heir = start("heir", "quick")

    assert await first_line(heir) == "a"
    await settled(bus)
    assert set(await Parts(bus).of(job("a").context)) == {subjects.DETECTION}
    heir.terminate()
    assert await asyncio.to_thread(heir.wait, 10) == 0


async def test_a_job_that_kills_two_processes_gets_no_third(bus: Bus, start: Start) -> None:
    await bus.publish(subjects.DETECT, job("deadly", seconds=60), "deadly")
    for number in range(2):
        victim = start(f"victim-{number}", "stuck")
        assert await first_line(victim) == "deadly"
        victim.send_signal(signal.SIGKILL)
    third = start("third", "quick")
    await settled(bus)
    await bus.publish(subjects.DETECT, job("next"), "next")

    assert await first_line(third) == "next"
    assert await stored(bus, topology.DEAD) == 1


async def test_queue_survives_killed_processes(bus: Bus, start: Start) -> None:
    for number in range(10):
        await bus.publish(subjects.DETECT, job(f"{number}"), f"{number}")
    victims = [start(f"victim-{number}", "stuck") for number in range(2)]
    begun = {await first_line(victim) for victim in victims}
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    start("heir", "quick")

    await settled(bus)
    assert len(begun) == 2
    assert await stored(bus, topology.PARTS) == 10


@pytest.mark.parametrize("seed", range(3))
async def test_server_killed_in_the_middle_of_work(bus: Bus, other_bus: Bus, server: NatsServer, seed: int) -> None:
    """Three stages on two connections, a server killed twice, and every job's result there exactly once."""
    chance = random.Random(seed)
    jobs = [f"job-{number}" for number in range(15)]
    caller = Caller(other_bus)
    await caller.listen()

    async def detect(work: Job, _info: MessageInfo) -> None:
        await asyncio.sleep(chance.random() / 50)
        job_id = work.context.id
        part = Part(context=work.context)
        await bus.publish(subjects.PLATE_CROPS, work, f"{job_id}.plates")
        await bus.publish(subjects.part(job_id, subjects.DETECTION), part, f"{job_id}.detection")

    async def read(work: Job, _info: MessageInfo) -> None:
        await asyncio.sleep(chance.random() / 50)
        job_id = work.context.id
        await bus.publish(subjects.part(job_id, subjects.PLATES), Part(context=work.context), f"{job_id}.read")

    async def aggregate(part: Part, _info: MessageInfo) -> None:
        job_id = part.context.id
        if len(await Parts(bus).of(part.context)) < 2:
            return
        await bus.publish(subjects.result("cam", job_id), part, f"{job_id}.final")
        calls = await CallCounter(bus).count("account", NOVEMBER, job_id)
        await bus.send(part.context.reply_subject, Reply(job_id=job_id, calls=calls))
        await Parts(bus).forget(part.context)

    async def kill_twice() -> None:
        for _ in range(2):
            await asyncio.sleep(0.05 + chance.random() / 5)
            server.kill()
            server.start()

    workers = (
        Worker(bus, topology.DETECTOR, Job, detect, 3),
        Worker(bus, topology.OCR, Job, read, 3),
        Worker(bus, topology.AGGREGATOR, Part, aggregate, 3),
    )
    async with running(*(worker.run for worker in workers)):
        killing = asyncio.create_task(kill_twice())
        for job_id in jobs:
            await other_bus.publish(subjects.DETECT, job(job_id, reply_subject=caller.subject, seconds=120), job_id)
            await asyncio.sleep(0.02)
        await killing

        async def all_there() -> bool:
            return await stored(bus, topology.RESULTS) == len(jobs)

        await eventually(all_there)
        answered: set[str] = set()
        while len(answered) < len(jobs):
            answered.add((await caller.reply()).job_id)

        async def all_settled() -> bool:
            # parts that could not be removed while the server was away go by their age
            waiting = [await stored(bus, stream) for stream in (topology.JOBS, topology.CROPS)]
            return sum(waiting) + await unsettled(bus, topology.PARTS, "aggregator") == 0

        await eventually(all_settled)

    assert await CallCounter(bus).counted("account", "2026-11") == len(jobs)
    assert await stored(bus, topology.RESULTS) == len(jobs)
    assert await stored(bus, topology.DEAD) == 0


async def test_idle_workers_go_on_after_a_restart(bus: Bus, server: NatsServer) -> None:
    handled = asyncio.Event()

    async def handler(_job: Job, _info: MessageInfo) -> None:
        handled.set()

    async with running(Worker(bus, topology.DETECTOR, Job, handler, 2).run):
        await asyncio.sleep(0.1)
        server.kill()
        server.start()
        async with asyncio.timeout(5):
            await bus.publish(subjects.DETECT, job("a"), "a")
            await handled.wait()
        await settled(bus)


async def test_idle_workers_go_on_when_a_deleted_consumer_is_made_again(bus: Bus, settings: Settings) -> None:
    handled = asyncio.Event()

    async def handler(_job: Job, _info: MessageInfo) -> None:
        handled.set()

    async with running(Worker(bus, topology.DETECTOR, Job, handler, 2).run):
        await asyncio.sleep(0.1)
        await bus.client.jsm().delete_consumer(topology.JOBS, "detector")
        await apply_topology(settings)
        await bus.publish(subjects.DETECT, job("a"), "a")
        async with asyncio.timeout(5):
            await handled.wait()
        await settled(bus)
