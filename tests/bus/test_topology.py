"""`platelane topology apply` on a real server: what it creates, changes, leaves and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.js.api import StorageType
from nats.js.errors import APIError

from platelane.bus import Bus, topology
from platelane.bus.apply import Action, Change, apply
from platelane.bus.connection import Connection
from platelane.errors import EngineUnavailable, Fault
from platelane.runtime.settings import Settings
from tests.support import NatsServer, apply_topology, stored


@pytest.fixture
async def connection(settings: Settings) -> AsyncIterator[Connection]:
    connection = await Connection.open(settings, "topology")
    yield connection
    await connection.close()


async def described(bus: Bus) -> dict[str, object]:
    """Every stream and consumer on the server, as they are configured."""
    manager = bus.client.jsm(timeout=1)
    found: dict[str, object] = {}
    for stream in await manager.streams_info():
        name = str(stream.config.name)
        found[name] = stream.config
        for consumer in await manager.consumers_info(name):
            found[f"{name}.{consumer.name}"] = consumer.config
    return found


def everything(settings: Settings) -> set[str]:
    streams = {str(stream.name) for stream in topology.streams(settings)}
    return streams | {f"{stream}.{config.name}" for stream, config in topology.consumers(settings)}


def done(changes: list[Change]) -> set[Action]:
    return {change.action for change in changes}


async def test_everything_is_made(connection: Connection, settings: Settings, other_bus: Bus) -> None:
    changes = await apply(connection, settings)

    assert done(changes) == {Action.MADE}
    assert len(changes) == len(await described(other_bus))
    assert set(await described(other_bus)) == everything(settings)


async def test_connecting_makes_nothing(settings: Settings) -> None:
    bus = await Bus.connect(settings, "gateway")
    assert await described(bus) == {}
    await bus.close()


async def test_streams_are_files(bus: Bus) -> None:
    for stream in await bus.client.jsm().streams_info():
        assert stream.config.storage == StorageType.FILE


async def test_making_it_again_changes_nothing(bus: Bus, settings: Settings) -> None:
    before = await described(bus)

    assert done(await apply_topology(settings)) == {Action.LEFT}
    assert await described(bus) == before


async def test_five_make_it_at_once(settings: Settings, other_bus: Bus) -> None:
    made = await asyncio.gather(*(apply_topology(settings) for _ in range(5)))

    assert set(await described(other_bus)) == everything(settings)
    assert all(len(changes) == len(everything(settings)) for changes in made)


async def test_changed_settings_change_streams_and_consumers(bus: Bus, settings: Settings) -> None:
    changed = settings.model_copy(update={"queue_limit": 7, "results_days": 2.0, "ack_wait": 4.0, "max_deliver": 9})

    changes = {change.what: change for change in await apply_topology(changed)}

    assert changes["stream RESULTS"] == Change(Action.CHANGED, "stream RESULTS", ("max_age 604800s -> 172800s",))
    assert changes["stream USAGE"].action == Action.LEFT
    manager = bus.client.jsm()
    assert (await manager.stream_info(topology.JOBS)).config.max_msgs == 7
    assert (await manager.stream_info(topology.RESULTS)).config.max_age == 2 * 86_400
    detector = (await manager.consumer_info(topology.JOBS, "detector")).config
    assert (detector.ack_wait, detector.max_deliver) == (4.0, 9)


@pytest.mark.parametrize("days", [0.0001, 0.001, 30.0])
async def test_results_may_be_kept_for_any_time(bus: Bus, settings: Settings, days: float) -> None:
    await apply_topology(settings.model_copy(update={"results_days": days}))

    assert (await bus.client.jsm().stream_info(topology.RESULTS)).config.max_age == pytest.approx(days * 86_400)


@pytest.mark.parametrize("deadline", [0.1, 60.0])
async def test_parts_outlive_the_deadline_and_not_by_much(bus: Bus, settings: Settings, deadline: float) -> None:
    await apply_topology(settings.model_copy(update={"deadline": deadline, "async_deadline": deadline}))

    age = (await bus.client.jsm().stream_info(topology.PARTS)).config.max_age
    assert age is not None
    assert deadline < age <= 5 * deadline


async def test_what_is_there_needs_no_further_room(server: NatsServer) -> None:
    server.kill()
    needed = sum(stream.max_bytes or 0 for stream in topology.streams(Settings()))
    server.configuration += f"jetstream {{ max_file_store: {needed + 100_000_000} }}\n"
    server.start()
    for _ in range(2):  # the second time only a little room is left
        await apply_topology(Settings(nats_url=server.url))


async def test_refusal_names_the_stream_and_the_reason(settings: Settings) -> None:
    with pytest.raises(Fault, match=r"stream RESULTS: replicas > 1 not supported"):
        await apply_topology(settings.model_copy(update={"nats_replicas": 3}))


async def test_a_cluster_that_lacks_a_server_is_waited_for(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, refusals = connection.ask_once, [10005, 10005]

    async def ask_once(subject: str, data: bytes, patience: float, headers: dict[str, str] | None = None) -> object:
        if refusals and ".CREATE." in subject:
            raise APIError(code=400, err_code=refusals.pop(), description="no suitable peers for placement")
        return await ask(subject, data, patience, headers)

    monkeypatch.setattr(connection, "ask_once", ask_once)
    await apply(connection, settings)
    assert not refusals


async def test_what_a_newer_version_has_made_is_not_replaced(
    bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch, connection: Connection
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(topology, "VERSION", topology.VERSION + 1)
        assert Action.CHANGED in done(await apply(connection, settings))
    before = await described(bus)

    with pytest.raises(Fault, match=rf"topology in NATS has version {topology.VERSION + 1} .*--force"):
        await apply(connection, settings)
    assert await described(bus) == before

    await apply(connection, settings, force=True)
    assert (
        topology.Version.of((await bus.client.jsm().stream_info(topology.RESULTS)).config.metadata).number
        == topology.VERSION
    )


async def test_partitions_are_added_beside_what_is_there(bus: Bus, settings: Settings, connection: Connection) -> None:
    await bus.client.jetstream().publish("platelane.jobs.detect", b"waiting")
    three = settings.model_copy(update={"nats_partitions": 3})

    made = {change.what for change in await apply(connection, three) if change.action == Action.MADE}

    streams = {f"stream {stream}_{number}" for stream in topology.JOB_STREAMS for number in (1, 2)}
    assert streams <= made
    assert set(await described(bus)) == everything(three)
    assert await stored(bus, topology.JOBS) == 1


async def test_partitions_that_are_no_longer_used_go_when_asked(
    bus: Bus, settings: Settings, connection: Connection
) -> None:
    await apply(connection, settings.model_copy(update={"nats_partitions": 2}))
    await bus.client.jetstream().publish("platelane.jobs.detect.1", b"waiting")

    unused = [change for change in await apply(connection, settings) if change.action == Action.UNUSED]
    assert {change.what for change in unused} == {"stream JOBS_1", "stream CROPS_1", "stream PARTS_1"}
    assert await stored(bus, "JOBS_1") == 1

    await apply(connection, settings, prune=True)
    assert set(await described(bus)) == everything(settings)


async def test_a_server_that_lost_its_files_gets_everything_again(
    bus: Bus, settings: Settings, server: NatsServer, tmp_path: Path
) -> None:
    before = await described(bus)
    server.kill()
    server.start("-sd", str(tmp_path / "empty"))

    assert done(await apply_topology(settings)) == {Action.MADE}
    assert await described(bus) == before


async def test_nobody_answers(settings: Settings, connection: Connection, server: NatsServer) -> None:
    server.kill()
    with pytest.raises(EngineUnavailable):
        await apply(connection, settings, patience=0.3)
