from __future__ import annotations

import asyncio
import random

import pytest
from google.protobuf.message import Message

from aggregator import handler
from aggregator.handler import Aggregator, ReceivedPart
from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.parts import Parts
from platelane.pb.v1.stages_pb2 import STAGE_PLATES, STAGE_VEHICLES, DetectionPart, JobContext, PlatesPart, VehiclesPart
from platelane.usage import CallCounter
from tests.models import DSCORE
from tests.support import Caller, eventually, running, stored, unsettled

JOBS = 20


def worker(bus: Bus) -> Worker[ReceivedPart]:
    return Worker(
        bus, topology.AGGREGATOR, ReceivedPart, Aggregator(bus, Parts(bus), CallCounter(bus), DSCORE).handle, 4
    )


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("remembered", [1, 256])
async def test_every_job_is_answered_and_counted_once_whoever_gets_its_parts(
    bus: Bus, other_bus: Bus, monkeypatch: pytest.MonkeyPatch, processes: int, remembered: int
) -> None:
    monkeypatch.setattr(handler, "REMEMBERED", remembered)
    caller = Caller(other_bus)
    await caller.listen()

    async def leave_parts(job_id: str) -> None:
        context = JobContext(id=job_id, reply_subject=caller.subject, account="account", accepted_us=1)
        due = random.Random(job_id).sample((STAGE_PLATES, STAGE_VEHICLES), int(job_id) % 3)
        first = DetectionPart(context=context, due=due)
        await bus.publish(subjects.part(job_id, subjects.DETECTION), first, f"{job_id}.detection")
        others = {STAGE_PLATES: (subjects.PLATES, PlatesPart), STAGE_VEHICLES: (subjects.VEHICLES, VehiclesPart)}
        for subject, kind in (others[stage] for stage in due):
            await bus.publish(subjects.part(job_id, subject), kind(context=context), f"{job_id}.{subject}")

    async with running(*(worker(each).run for each in (bus, other_bus)[:processes])):
        await asyncio.gather(*(leave_parts(f"{number}") for number in range(JOBS)))
        answered: set[str] = set()
        while len(answered) < JOBS:
            answered.add((await caller.reply()).job_id)

        async def all_settled() -> bool:
            return await stored(bus, topology.PARTS) + await unsettled(bus, topology.PARTS, "aggregator") == 0

        await eventually(all_settled)

    assert await stored(bus, topology.RESULTS) == JOBS
    assert await CallCounter(bus).counted("account", "1970-01") == JOBS


async def test_a_deadline_does_not_come_between_the_count_and_the_event(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, go_on = asyncio.Event(), asyncio.Event()
    publish = bus.publish

    async def slow(subject: str, message: Message, message_id: str, deadline: float | None = None) -> None:
        counted.set()
        await go_on.wait()
        await publish(subject, message, message_id, deadline)

    monkeypatch.setattr(bus, "publish", slow)
    context = JobContext(id="j1", account="account", accepted_us=1)
    part = ReceivedPart(context, DetectionPart(context=context).SerializeToString())
    info = MessageInfo(subjects.part("j1", subjects.DETECTION), sequence=1, attempt=1)
    handled = asyncio.create_task(Aggregator(bus, Parts(bus), CallCounter(bus), DSCORE).handle(part, info))
    await counted.wait()
    handled.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await handled
    assert await stored(bus, topology.RESULTS) == 1
    assert await CallCounter(bus).counted("account", "1970-01") == 1
