from __future__ import annotations

import asyncio

import pytest

from platelane.bus import Bus, Worker, current, subjects, topology
from platelane.errors import EngineUnavailable
from platelane.pb.v1.stages_pb2 import JobContext, Part, Result
from tests.bus.support import eventually, running, stored

STAGES = (subjects.DETECTION, subjects.PLATES, subjects.VEHICLES)


def part(job_id: str) -> Part:
    return Part(context=JobContext(id=job_id))


async def leave(bus: Bus, job_id: str, stage: str) -> None:
    await bus.publish(subjects.part(job_id, stage), part(job_id), f"{job_id}.{stage}")


async def test_parts_of_one_job_only(bus: Bus) -> None:
    for job_id, stage in (("a", subjects.DETECTION), ("a", subjects.PLATES), ("b", subjects.DETECTION)):
        await leave(bus, job_id, stage)

    assert set(await bus.parts("a")) == {subjects.DETECTION, subjects.PLATES}
    assert await bus.parts("b") == {subjects.DETECTION: part("b").SerializeToString()}
    assert await bus.parts("c") == {}


async def test_many_read_at_once(bus: Bus) -> None:
    for number in range(20):
        await leave(bus, f"{number}", subjects.PLATES)

    found = await asyncio.gather(*(bus.parts(f"{number}") for number in range(20)))

    assert found == [{subjects.PLATES: part(f"{number}").SerializeToString()} for number in range(20)]


async def test_forgotten_parts(bus: Bus) -> None:
    await leave(bus, "a", subjects.PLATES)
    await leave(bus, "b", subjects.PLATES)

    await bus.forget_parts("a")

    assert await bus.parts("a") == {}
    assert set(await bus.parts("b")) == {subjects.PLATES}


async def test_a_replica_that_lags_is_asked_again(bus: Bus) -> None:
    bus.settings = bus.settings.model_copy(update={"nats_replicas": 3})
    await leave(bus, "a", subjects.DETECTION)
    current.enter(current.Delivery(attempt=1, sequence=2))

    reading = asyncio.create_task(bus.parts("a"))
    await asyncio.sleep(0.1)
    assert not reading.done(), "the part with sequence 2 is not there yet"
    await leave(bus, "a", subjects.PLATES)

    assert set(await reading) == {subjects.DETECTION, subjects.PLATES}


async def test_a_replica_that_lags_for_too_long(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platelane.bus.client.PARTS_PATIENCE", 0.2)
    bus.settings = bus.settings.model_copy(update={"nats_replicas": 3})
    await leave(bus, "a", subjects.DETECTION)
    current.enter(current.Delivery(attempt=1, sequence=99))

    with pytest.raises(EngineUnavailable):
        await bus.parts("a")


async def test_a_part_of_a_job_that_has_ended(bus: Bus) -> None:
    bus.settings = bus.settings.model_copy(update={"nats_replicas": 3})
    await leave(bus, "a", subjects.DETECTION)
    await bus.forget_parts("a")
    current.enter(current.Delivery(attempt=2, sequence=1))

    assert await bus.parts("a") == {}


async def test_join_without_state_publishes_once(bus: Bus, other_bus: Bus) -> None:
    """Two aggregators race for every job; whoever sees all parts publishes, and the stream keeps one."""
    jobs = [f"job-{number}" for number in range(30)]
    published: list[tuple[str, bool]] = []

    def aggregator(own: Bus) -> Worker[Part]:
        async def handle(last: Part) -> None:
            job_id = last.context.id
            if len(await own.parts(job_id)) == len(STAGES):
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
