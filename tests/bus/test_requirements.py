"""What a service reports about a missing or different topology."""

from __future__ import annotations

import asyncio

import pytest

from platelane.bus import Bus, topology
from platelane.bus.requirements import Requirements
from platelane.runtime.settings import Settings
from tests.support import apply_topology


def needs(bus: Bus, service: str) -> Requirements:
    return Requirements(bus.connection, bus.settings, topology.REQUIRED[service])


@pytest.mark.parametrize("service", sorted(topology.REQUIRED))
async def test_everything_is_there(bus: Bus, service: str) -> None:
    assert await needs(bus, service).problems() == []


async def test_what_is_missing_is_named(bus: Bus) -> None:
    manager = bus.client.jsm()
    await manager.delete_consumer(topology.JOBS, "detector")
    await manager.delete_stream(topology.RATES)

    assert await needs(bus, "detector").problems() == ["consumer detector of JOBS is missing"]
    assert await needs(bus, "gateway").problems() == ["stream RATES is missing"]
    assert await needs(bus, "ocr").problems() == []


async def test_partitions_are_looked_for(bus: Bus) -> None:
    bus.settings = bus.settings.model_copy(update={"nats_partitions": 2})
    assert await needs(bus, "detector").problems() == [
        "consumer detector of JOBS_1 is missing",
        "consumer detector_bulk of JOBS_1 is missing",
    ]


async def test_an_older_topology_has_to_be_applied_again(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    found, needed = topology.VERSION, topology.VERSION + 1
    monkeypatch.setattr(topology, "VERSION", needed)
    assert await needs(bus, "ocr").problems() == [
        f"consumer ocr of CROPS is of version {found}; this service needs {needed}"
    ]


async def test_a_newer_topology_will_do_while_it_says_so(
    bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_version, later = topology.VERSION + 1, topology.VERSION + 2
    with monkeypatch.context() as newer:
        newer.setattr(topology, "VERSION", next_version)
        await apply_topology(settings)
    assert await needs(bus, "ocr").problems() == []

    with monkeypatch.context() as newer:
        newer.setattr(topology, "VERSION", later)
        newer.setattr(topology, "OLDEST_SERVICE", later)
        await apply_topology(settings)
    [problem] = await needs(bus, "ocr").problems()
    assert f"for services of version {later} and newer" in problem
    assert "--force" in problem


async def test_waiting_ends_when_everything_is_there(other_bus: Bus, settings: Settings) -> None:
    required = needs(other_bus, "gateway")
    waiting = asyncio.create_task(required.wait())
    while not await required.problems():
        await asyncio.sleep(0.01)
    assert not required.met

    await apply_topology(settings)
    async with asyncio.timeout(10):
        await waiting
    assert required.met
