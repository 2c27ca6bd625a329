from __future__ import annotations

import asyncio

import pytest

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.parts import Parts
from platelane.errors import EngineUnavailable
from platelane.pb.v1.stages_pb2 import JobContext, Part, Result
from tests.support import eventually, job, running, stored

STAGES = (subjects.DETECTION, subjects.PLATES, subjects.VEHICLES)


def a_part(job_id: str) -> Part:
    return Part(context=JobContext(id=job_id))


async def leave(bus: Bus, job_id: str, stage: str) -> None:
    await bus.publish(subjects.part(job_id, stage), a_part(job_id), f"{job_id}.{stage}")


async def test_parts_of_one_job_only(bus: Bus) -> None:
    for job_id, stage in (("a", subjects.DETECTION), ("a", subjects.PLATES), ("b", subjects.DETECTION)):
        await leave(bus, job_id, stage)

    assert set(await Parts(bus).of(job("a").context)) == {subjects.DETECTION, subjects.PLATES}
    assert await Parts(bus).of(job("b").context) == {subjects.DETECTION: a_part("b").SerializeToString()}
    assert await Parts(bus).of(job("c").context) == {}


async def test_many_read_at_once(bus: Bus) -> None:
    for number in range(20):
        await leave(bus, f"{number}", subjects.PLATES)

    found = await asyncio.gather(*(Parts(bus).of(job(f"{number}").context) for number in range(20)))

    assert found == [{subjects.PLATES: a_part(f"{number}").SerializeToString()} for number in range(20)]


async def test_forgotten_parts(bus: Bus) -> None:
    await leave(bus, "a", subjects.PLATES)
    await leave(bus, "b", subjects.PLATES)

    await Parts(bus).forget(job("a").context)

    assert await Parts(bus).of(job("a").context) == {}
    assert set(await Parts(bus).of(job("b").context)) == {subjects.PLATES}


async def test_a_replica_that_lags_is_asked_again(bus: Bus) -> None:
    bus.settings = bus.settings.model_copy(update={"nats_replicas": 3})
    await leave(bus, "a", subjects.DETECTION)

    reading = asyncio.create_task(Parts(bus).of(job("a").context, at_hand=2))
    await asyncio.sleep(0.1)
    assert not reading.done(), "the part with sequence 2 is not there yet"
    await leave(bus, "a", subjects.PLATES)

    assert set(await reading) == {subjects.DETECTION, subjects.PLATES}


async def test_a_replica_that_lags_for_too_long(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platelane.bus.parts.READ_PATIENCE", 0.2)
    bus.settings = bus.settings.model_copy(update={"nats_replicas": 3})
    await leave(bus, "a", subjects.DETECTION)

    with pytest.raises(EngineUnavailable):
        await Parts(bus).of(job("a").context, at_hand=99)


async def test_a_part_of_a_job_that_has_ended(bus: Bus) -> None:
    bus.settings = bus.settings.model_copy(update={"nats_replicas": 3})
    await leave(bus, "a", subjects.DETECTION)
    await Parts(bus).forget(job("a").context)

    assert await Parts(bus).of(job("a").context, at_hand=1) == {}


async def test_join_without_state_publishes_once(bus: Bus, other_bus: Bus) -> None:
    """Two aggregators race for every job; whoever sees all parts publishes, and the stream keeps one."""
    jobs = [f"job-{number}" for number in range(30)]
    published: list[tuple[str, bool]] = []

    def aggregator(own: Bus) -> Worker[Part]:
        async def handle(part: Part, info: MessageInfo) -> None:
            job_id = part.context.id
            if len(await Parts(own).of(part.context, info.sequence)) == len(STAGES):
                new = await own.publish(subjects.result("cam.1", job_id), Result(), f"{job_id}.final")
                published.append((job_id, new))

        return Worker(own, topology.AGGREGATOR, Part, handle, 8)

    async with running(aggregator(bus).run, aggregator(other_bus).run):
        for stage in STAGES:
            await asyncio.gather(*(leave(bus, job_id, stage) for job_id in jobs))

        async def all_published() -> bool:
            return await stored(bus, topology.RESULTS) >= len(jobs)

        await eventually(all_published)

    assert await stored(bus, topology.RESULTS) == len(jobs)
    assert sorted(job_id for job_id, new in published if new) == sorted(jobs)
