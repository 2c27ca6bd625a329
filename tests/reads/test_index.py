"""The index follows the stream of results, whatever is killed or lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

import reads.index
from platelane.bus import Bus, subjects, topology
from platelane.pb.v1 import reads_pb2
from platelane.runtime.settings import Settings
from reads import writing
from reads.engine import open_engine
from reads.index import Index
from reads.models import PLACES
from reads.schema import migrate
from tests.support import NatsServer, apply_topology, eventually, running

from .conftest import Asked, job, result


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    settings = Settings(nats_url=server.url)
    await apply_topology(settings)
    bus = await Bus.connect(settings, "reads")
    yield bus
    await bus.close()
    server.kill()


async def see(bus: Bus, *numbers: int) -> None:
    for number in numbers:
        await bus.publish(subjects.result("gate", job(number)), result(number, f"p{number}"), f"{number}.final")


async def holds(index: Index, *plates: str) -> None:
    """Return once the index has exactly these plates."""
    question = reads_pb2.ReadsRequest(search=reads_pb2.SearchReads(page_size=100))

    async def same() -> bool:
        return [read["plate"] for read in (await index.ask(question))["reads"]] == list(plates)

    await eventually(same)


async def test_it_follows_goes_on_where_it_was_and_is_made_anew(bus: Bus, tmp_path: Path) -> None:
    def opened(name: str) -> Engine:
        engine = open_engine(f"sqlite:///{tmp_path}/{name}.db")
        migrate(engine)
        return engine

    await see(bus, 1)
    first = opened("first")
    index = Index(bus, first)
    async with running(index.run):
        await asyncio.wait_for(index.complete.wait(), 10)
        await holds(index, "p1")
        await see(bus, 2)
        await holds(index, "p2", "p1")
    await see(bus, 3)
    again, other = Index(bus, first), Index(bus, opened("other"))
    async with running(again.run, other.run):
        for each in (again, other):
            await holds(each, "p3", "p2", "p1")
        await bus.stream(topology.RESULTS).purge(seq=3)
    expired = Index(bus, first)
    async with running(expired.run):
        await holds(expired, "p3")
        await bus.client.jsm().delete_stream(topology.RESULTS)
        await apply_topology(bus.settings)
        await see(bus, 4)
        await holds(expired, "p4")


async def test_results_that_keep_coming_share_a_transaction(
    bus: Bus, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads.index, "_PACE", 3_600)
    await see(bus, 1)
    index = Index(bus, engine)
    async with running(index.run):
        await holds(index, "p1")
        await see(bus, 2, 3)
        await asyncio.sleep(0.3)
        await holds(index, "p1")
    again = Index(bus, engine)
    async with running(again.run):
        await holds(again, "p3", "p2", "p1")


def test_only_the_newest_are_kept_within_the_limit(index: Asked) -> None:
    index.add(*(result(second, f"p{second}") for second in range(1, 11)))
    assert index.transact(writing.first_kept, 3, 10) == 3 * PLACES, "what the stream has lost"
    first = index.transact(writing.first_kept, 3, 4)
    assert index.transact(writing.expire, first) == 6
    assert index.plates() == ["p10", "p9", "p8", "p7"]
    assert index.transact(writing.expire, index.transact(writing.first_kept, 3, 4)) == 0
    assert index.transact(writing.expire, index.transact(writing.first_kept, 50, 4)) == 4
    assert index.transact(writing.first_kept, 0, 4) == 0, "an empty index"


async def test_two_processes_share_one_database(bus: Bus, engine: Engine) -> None:
    await see(bus, *range(1, 40))
    indexes = Index(bus, engine), Index(bus, engine)
    async with running(*(index.run for index in indexes)):
        for index in indexes:
            await holds(index, *(f"p{number}" for number in range(39, 0, -1)))


async def test_corrections_are_in_whichever_index_is_made(bus: Bus, engine: Engine) -> None:
    kept = bus.stream(topology.KV_CORRECTIONS)
    corrected = reads_pb2.ReadsRequest(filter=reads_pb2.ReadFilter(reviewed=True), search={"page_size": 10})

    async def are(index: Index, *expected: dict[str, str]) -> None:
        async def same() -> bool:
            return [read["correction"] for read in (await index.ask(corrected))["reads"]] == list(expected)

        await eventually(same)

    await see(bus, 1, 2)
    await kept.put(subjects.correction(f"{job(1)}.0"), b'{"plate":"q1"}')
    await kept.put(subjects.correction(f"{job(2)}.0"), b"no JSON")
    index = Index(bus, engine)
    async with running(index.run):
        await asyncio.wait_for(index.complete.wait(), 10)
        await are(index, {"plate": "q1"})
        await kept.put(subjects.correction(f"{job(2)}.0"), b'{"plate":"q2"}')
        await are(index, {"plate": "q2"}, {"plate": "q1"})
        await kept.put(subjects.correction(f"{job(1)}.0"), b"")
        await are(index, {"plate": "q2"})
        await bus.client.jsm().delete_stream(topology.RESULTS)
        await apply_topology(bus.settings)
        await see(bus, 2)
        await are(index, {"plate": "q2"})
        await bus.client.jsm().delete_stream(topology.KV_CORRECTIONS)
        await apply_topology(bus.settings)
        await are(index)
