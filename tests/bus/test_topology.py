from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import BadRequestError

from platelane.bus import Bus, topology
from platelane.errors import EngineUnavailable, Fault
from platelane.settings import Settings
from tests.bus.support import NatsServer, eventually


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


async def test_everything_is_there_after_connecting(bus: Bus, settings: Settings) -> None:
    found = await described(bus)

    streams = {stream.name for stream in topology.streams(settings)}
    assert set(found) == streams | {f"{c.stream}.{c.name}" for c in topology.CONSUMERS}


async def test_streams_are_files(bus: Bus) -> None:
    for stream in await bus.client.jsm().streams_info():
        assert stream.config.storage == StorageType.FILE


async def test_making_it_again_changes_nothing(bus: Bus, settings: Settings) -> None:
    before = await described(bus)

    await topology.ensure_topology(bus.client.jsm(), settings)

    assert await described(bus) == before


async def test_five_services_make_it_at_once(settings: Settings) -> None:
    buses = await asyncio.gather(*(Bus.connect(settings, f"service-{i}") for i in range(5)))
    try:
        assert len(await described(buses[0])) == len(topology.streams(settings)) + len(topology.CONSUMERS)
    finally:
        await asyncio.gather(*(bus.close() for bus in buses))


async def test_changed_settings_change_streams_and_consumers(bus: Bus, settings: Settings) -> None:
    changed = settings.model_copy(update={"queue_limit": 7, "results_days": 2.0, "ack_wait": 4.0, "max_deliver": 9})

    await topology.ensure_topology(bus.client.jsm(), changed)

    manager = bus.client.jsm()
    assert (await manager.stream_info(topology.JOBS)).config.max_msgs == 7
    assert (await manager.stream_info(topology.RESULTS)).config.max_age == 2 * 86_400
    detector = (await manager.consumer_info(topology.JOBS, "detector")).config
    assert (detector.ack_wait, detector.max_deliver) == (4.0, 9)


@pytest.mark.parametrize("days", [0.0001, 0.001, 30.0])
async def test_results_may_be_kept_for_any_time(bus: Bus, settings: Settings, days: float) -> None:
    await topology.ensure_topology(bus.client.jsm(), settings.model_copy(update={"results_days": days}))

    assert (await bus.client.jsm().stream_info(topology.RESULTS)).config.max_age == pytest.approx(days * 86_400)


async def test_what_is_there_needs_no_further_room(server: NatsServer) -> None:
    server.kill()
    needed = sum(stream.max_bytes or 0 for stream in topology.streams(Settings()))
    server.configuration += f"jetstream {{ max_file_store: {needed + 100_000_000} }}\n"
    server.start()
    for _ in range(2):  # the second time only a little room is left
        bus = await Bus.connect(Settings(nats_url=server.url), "gateway")
        await bus.close()


async def test_refusal_names_the_stream_and_the_reason(settings: Settings) -> None:
    with pytest.raises(Fault, match=r"stream JOBS: replicas > 1 not supported"):
        await Bus.connect(settings.model_copy(update={"nats_replicas": 3}), "test")


async def test_a_cluster_that_lacks_a_server_is_waited_for(
    bus: Bus, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = bus.client.jsm()
    update, refusals = manager.update_stream, [10005, 10005]

    async def update_stream(config: StreamConfig) -> object:
        if refusals:
            raise BadRequestError(code=400, err_code=refusals.pop(), description="no suitable peers for placement")
        return await update(config)

    monkeypatch.setattr(manager, "update_stream", update_stream)
    await topology.ensure_topology(manager, settings)
    assert not refusals


async def test_server_without_jetstream(bus: Bus, settings: Settings) -> None:
    nowhere = bus.client.jsm(prefix="$JS.nowhere.API")

    with pytest.raises(EngineUnavailable, match="stream JOBS"):
        await topology.ensure_topology(nowhere, settings, patience=0.3)


async def test_a_server_that_lost_its_files_gets_everything_again(bus: Bus, server: NatsServer, tmp_path: Path) -> None:
    before = await described(bus)
    server.kill()
    server.start("-sd", str(tmp_path / "empty"))

    async def all_there() -> bool:
        return bus.connected and await described(bus) == before

    await eventually(all_there)
