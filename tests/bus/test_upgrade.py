"""An installation from before `platelane topology apply` is upgraded without losing durable data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from platelane.bus import Bus, MessageInfo, Worker, subjects, topology
from platelane.bus.apply import Action
from platelane.bus.requirements import Requirements
from platelane.pb.v1.stages_pb2 import Job, Result
from platelane.runtime.settings import Settings
from platelane.usage import CallCounter, month_of
from platelane.webhooks.hook import HookSettings
from platelane.webhooks.registry import HookRegistry
from tests.support import apply_topology, eventually, job, running, stored

VERSION_1 = json.loads(Path(__file__).with_name("topology_1.json").read_text())
"""What services made for themselves, with the default settings."""
NOW = datetime.now(UTC)
MONTH = month_of(NOW)


@pytest.fixture
async def old(other_bus: Bus) -> Bus:
    """A connection to a server with the streams of version 1."""
    for stream in VERSION_1["streams"]:
        request = json.dumps(stream).encode()
        await other_bus.connection.ask_once(f"$JS.API.STREAM.CREATE.{stream['name']}", request, 5)
    for consumer in VERSION_1["consumers"]:
        stream, config = consumer["stream"], consumer["config"]
        subject = f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{config['name']}"
        request = json.dumps({"stream_name": stream, "config": config}).encode()
        await other_bus.connection.ask_once(subject, request, 5)
    return other_bus


async def dispatched(bus: Bus, count: int) -> list[str]:
    """The accounts of the next results that the dispatcher gets."""
    seen: list[str] = []

    async def handler(result: Result, _info: MessageInfo) -> None:
        seen.append(result.account)

    async with running(Worker(bus, topology.FAN_OUT, Result, handler, 1).run):

        async def all_seen() -> bool:
            return len(seen) >= count

        await eventually(all_seen)
    return seen


@pytest.mark.parametrize("partitions", [1, 3])
async def test_an_upgrade_keeps_what_must_survive(old: Bus, settings: Settings, partitions: int) -> None:
    counter, tokens = CallCounter(old), old.stream(topology.KV_TOKENS)
    for number in range(4):
        await old.publish(subjects.result("gate", f"{number}"), Result(account=f"{number}"), f"{number}.final")
        await counter.count("account", NOW, f"{number}.call")
    assert await dispatched(old, 2) >= ["0", "1"]
    hook = await (await HookRegistry.open(old)).create(HookSettings.checked({"target": "http://127.0.0.1:9/"}), "me")
    await tokens.put(subjects.entry(topology.TOKENS, "key"), b"token")
    await old.publish(subjects.DETECT, job("waiting"), "waiting")
    place = (await old.client.jsm().consumer_info(topology.RESULTS, "dispatcher")).ack_floor

    changes = await apply_topology(settings.model_copy(update={"nats_partitions": partitions}))

    made = {change.what for change in changes if change.action == Action.MADE}
    survive = {stream["name"] for stream in VERSION_1["streams"]} - {topology.JOBS, topology.CROPS, topology.PARTS}
    assert {"RESULTS", "USAGE", "KV_HOOKS", "KV_tokens", "DEAD"} <= survive
    assert not {f"stream {name}" for name in survive} & made
    assert (await old.client.jsm().consumer_info(topology.RESULTS, "dispatcher")).ack_floor == place
    assert await stored(old, topology.RESULTS) == 4
    assert await counter.counted("account", MONTH) == 4
    assert await counter.count("account", NOW, "3.call") == 4, "it was counted before"
    assert (await HookRegistry.open(old)).get(hook.id) == hook
    kept = await tokens.get(subjects.entry(topology.TOKENS, "key"))
    assert kept is not None
    assert kept.data == b"token"
    assert await old.publish(subjects.result("gate", "3"), Result(), "3.final") is False, "it was stored before"
    await old.publish(subjects.result("gate", "4"), Result(account="4"), "4.final")
    assert "4" in await dispatched(old, 1)

    handled: list[str] = []

    async def handler(work: Job, _info: MessageInfo) -> None:
        handled.append(work.context.id)

    async with running(Worker(old, topology.DETECTOR, Job, handler, 1).run):

        async def empty() -> bool:
            return await stored(old, topology.JOBS) == 0

        await eventually(empty)
    assert handled == ["waiting"]


async def test_services_of_now_wait_for_the_upgrade(old: Bus, settings: Settings) -> None:
    required = Requirements(old.connection, settings, topology.REQUIRED["webhook_svc"])
    assert (
        f"consumer dispatcher of RESULTS is of version 1; this service needs {topology.VERSION}"
        in await required.problems()
    )
    await apply_topology(settings)
    assert await required.problems() == []
