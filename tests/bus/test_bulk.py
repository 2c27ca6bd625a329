"""Jobs without a waiting caller, and the priority of those with one."""

from __future__ import annotations

import asyncio

import pytest

from platelane.bus import Bus, MessageInfo, Worker, places, subjects, topology
from platelane.bus.places import Places
from platelane.pb.v1.stages_pb2 import Job
from tests.support import eventually, job, running, stored

IN_FLIGHT = 2


async def publish(bus: Bus, subject: str, *names: str) -> None:
    for name in names:
        await bus.publish(subject, job(name, seconds=60), name)


async def test_jobs_that_somebody_waits_for_go_before_all_others(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PAUSE", 1.0)  # longer than a busy machine is between two messages
    begun: list[str] = []
    may_end = asyncio.Event()

    async def handler(work: Job, _info: MessageInfo) -> None:
        begun.append(work.context.id)
        await may_end.wait()
        await asyncio.sleep(0.01)

    async def has_begun(*names: str) -> None:
        async def they_have() -> bool:
            return set(names) <= set(begun)

        await eventually(they_have)

    shared = Places(IN_FLIGHT)
    first = Worker(bus, topology.DETECTOR, Job, handler, IN_FLIGHT, places=shared)
    bulk = Worker(bus, topology.DETECTOR_BULK, Job, handler, IN_FLIGHT, places=shared, waits=True)
    await publish(bus, subjects.BULK, *(f"bulk {number}" for number in range(8)))
    async with running(first.run, bulk.run):
        await has_begun("bulk 0", "bulk 1")
        await publish(bus, subjects.DETECT, *(f"call {number}" for number in range(10)))
        await has_begun("call 0", "call 1")  # though bulk has all places
        may_end.set()

        async def all_done() -> bool:
            return await stored(bus, topology.JOBS) == 0

        await eventually(all_done)
    calls = [name for name in begun if name.startswith("call")]
    assert begun == ["bulk 0", "bulk 1", *calls, *(f"bulk {number}" for number in range(2, 8))]
    assert sorted(calls) == [f"call {number}" for number in range(10)]


async def test_a_worker_that_stops_leaves_the_rest_to_the_next(bus: Bus) -> None:
    done: list[str] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        await asyncio.sleep(0.01)
        done.append(work.context.id)

    names = [f"bulk {number}" for number in range(15)]
    await publish(bus, subjects.BULK, *names)

    async def some_done() -> bool:
        return len(done) >= 3

    async def all_done() -> bool:
        return await stored(bus, topology.JOBS) == 0

    async with running(Worker(bus, topology.DETECTOR_BULK, Job, handler, 2, places=Places(2), waits=True).run):
        await eventually(some_done)
    async with running(Worker(bus, topology.DETECTOR_BULK, Job, handler, 2, places=Places(2), waits=True).run):
        await eventually(all_done)
    assert sorted(done) == sorted(names)
