"""Workers end what they are doing for a cancelled job, and do not start what comes later."""

from __future__ import annotations

import asyncio

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.pb.v1.stages_pb2 import Job
from tests.support import eventually, job, running, stored


async def test_a_cancelled_job_ends_at_once_and_another_one_goes_on(bus: Bus, other_bus: Bus) -> None:
    begun, ended, finished = asyncio.Queue[str](), asyncio.Queue[str](), asyncio.Queue[str]()
    go_on = asyncio.Event()

    async def handler(work: Job, _info: MessageInfo) -> None:
        begun.put_nowait(work.context.id)
        try:
            await go_on.wait()
            finished.put_nowait(work.context.id)
        finally:
            ended.put_nowait(work.context.id)

    async with running(Worker(bus, topology.DETECTOR, Job, handler, 4).run):
        for name in ("one", "other"):
            await other_bus.publish(subjects.DETECT, job(name), name)
        assert {await begun.get(), await begun.get()} == {"one", "other"}
        await other_bus.cancel("one")
        async with asyncio.timeout(10):  # half of its time
            assert await ended.get() == "one"
        go_on.set()
        assert await finished.get() == "other"
        await eventually(lambda: _empty(bus))
    assert finished.empty()


async def test_a_job_that_was_cancelled_while_it_waited_is_not_begun(bus: Bus, other_bus: Bus) -> None:
    begun, go_on = asyncio.Queue[str](), asyncio.Event()

    async def handler(work: Job, _info: MessageInfo) -> None:
        begun.put_nowait(work.context.id)
        await go_on.wait()

    worker = Worker(bus, topology.DETECTOR, Job, handler, 1)

    async def told() -> bool:
        return "second" in worker._cancelled

    async with running(worker.run):
        for name in ("first", "second", "third"):
            await other_bus.publish(subjects.DETECT, job(name), name)
        assert await begun.get() == "first"
        await other_bus.cancel("second")
        await eventually(told)
        go_on.set()
        assert await begun.get() == "third"
        await eventually(lambda: _empty(bus))
    assert begun.empty()


async def _empty(bus: Bus) -> bool:
    return await stored(bus, topology.JOBS) == 0
