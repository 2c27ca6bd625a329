"""Which hooks get a result, and how their queues are created and removed."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from datetime import datetime
from ipaddress import ip_network

import pytest
from nats.js.errors import NotFoundError

from platelane.bus import Bus, subjects, topology
from platelane.errors import BadRequest
from platelane.runtime.settings import Settings
from platelane.webhooks.hook import Hook
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import DELIVERED, HookRegistry
from platelane.webhooks.watchlists import Listed, WatchlistSettings, WatchlistStore
from tests.receiver import receiving
from tests.support import NatsServer, apply_topology, eventually
from tests.webhook_svc.services import create, known, see, until_counted, working


async def test_hook_gets_what_happens_from_now_on(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async with working(settings), receiving() as receiver:
        hook = await create(hooks, receiver)
        await see(bus, "a", plate="abc123")
        (got,) = await receiver.wait(1)
        await until_counted(hooks, hook, DELIVERED, 1)

    assert got.headers["content-type"] == "application/json"
    assert got.key == f"a.{hook.id}"
    about = got.document["hook"]
    assert (about["target"], about["id"], about["event"]) == (receiver.url, hook.id, "image.done")
    assert about["sequence"] == 1
    assert time.time() - datetime.fromisoformat(about["time"]).timestamp() < 60
    assert got.document["data"]["results"][0]["plate"] == "abc123"
    assert got.document["data"]["timestamp"] == "1970-01-01T00:00:00.000001Z"


async def test_filters_and_accounts(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    local = settings.model_copy(update={"webhook_networks": (ip_network("127.0.0.0/8"),)})
    async with working(local), receiving() as listed, receiving() as mine:
        await create(hooks, listed, filter={"watch_list": ["ABC-124"], "distance": 1})
        await create(hooks, mine, "me")
        await see(bus, "far", plate="xyz999")
        await see(bus, "near", plate="abc123")
        await see(bus, "own", account="me")
        await listed.wait(1)
        await mine.wait(1)

    assert [got.filename for got in listed.received] == ["near"]
    assert listed.received[0].document["hook"]["watch_list"] == [{"plate": "abc123", "listed": "abc124", "distance": 1}]
    assert [got.filename for got in mine.received] == ["own"]


async def test_a_hook_gets_what_its_watch_lists_have(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    lists = WatchlistStore(bus)
    sent = WatchlistSettings(name="Visitors", plates=(Listed(plate="ABC-124"),), distance=1)
    own, others = await lists.create("", sent), await lists.create("me", sent)
    async with working(settings), receiving() as receiver:
        await create(hooks, receiver, filter={"watchlists": [own.id]})
        deaf = await create(hooks, receiver, filter={"watchlists": [others.id]})
        await see(bus, "far", plate="xyz999")
        await see(bus, "near", plate="abc123")
        await receiver.wait(1)
        await until_counted(hooks, deaf, DELIVERED, 0)

    assert [got.filename for got in receiver.received] == ["near"]
    assert receiver.received[0].document["hook"]["watchlists"] == ["Visitors"]


async def test_hooks_of_the_environment(settings: Settings) -> None:
    async with receiving() as receiver:
        given = settings.model_copy(update={"webhook_targets": (receiver.url,)})
        await apply_topology(given)
        bus = await Bus.connect(given, "test")
        hooks = await HookRegistry.open(bus)
        async with working(given):
            (hook,) = hooks.all()
            await known(hooks, hook)
            await see(bus, "a")
            await receiver.wait(1)
            with pytest.raises(BadRequest):
                await hooks.delete(hook.id)
            await hooks.change(hook.id, lambda hook: hook.model_copy(update={"enabled": False}))
            await asyncio.sleep(1.0)
            await see(bus, "b")
            await hooks.change(hook.id, Hook.enabled_again)
            await asyncio.sleep(1.0)
            await see(bus, "c")
            await receiver.wait(2)
        await bus.close()

    assert [got.filename for got in receiver.received] == ["a", "c"]
    assert hook.from_environment


async def test_hooks_of_the_environment_outlive_the_files_of_nats(server: NatsServer, settings: Settings) -> None:
    async with receiving() as receiver:
        given = settings.model_copy(update={"webhook_targets": (receiver.url,)})
        await apply_topology(given)
        bus = await Bus.connect(given, "test")
        hooks = await HookRegistry.open(bus)
        async with working(given):
            (hook,) = hooks.all()
            await known(hooks, hook)
            await see(bus, "a")
            await receiver.wait(1)
            server.kill()
            shutil.rmtree(server._directory)
            await asyncio.to_thread(server.start)
            await apply_topology(given)
            await known(hooks, hook)
            await see(bus, "b")
            await receiver.wait(2)
        await bus.close()


async def test_deleted_hook_leaves_nothing(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async with receiving() as receiver, working(settings):
        hook = await create(hooks, receiver)
        await see(bus, "a")
        await until_counted(hooks, hook, DELIVERED, 1)
        await hooks.delete(hook.id)
        await Queue(bus, hook.id).delete()
        await see(bus, "b")
        await asyncio.sleep(0.5)
        state = await bus.stream(f"HOOK_{hook.id}").state()

    assert state is None
    assert [got.filename for got in receiver.received] == ["a"]


async def test_forgotten_queues_are_removed_at_start(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async with receiving() as receiver:
        async with working(settings):
            hook = await create(hooks, receiver)
            await see(bus, "a")
            await receiver.wait(1)
        await hooks.delete(hook.id)  # and then the process that would remove the queue dies
        async with working(settings):

            async def gone() -> bool:
                return await bus.stream(f"HOOK_{hook.id}").state() is None

            await eventually(gone)


async def test_a_hook_of_a_later_version_keeps_its_queue(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    bucket = bus.stream(topology.KV_HOOKS)
    async with receiving() as receiver:
        async with working(settings):
            readable, unreadable = [await create(hooks, receiver) for _ in range(2)]
        for hook, further in ((readable, {"colour": "red"}), (unreadable, {"concurrency": 99})):
            record = await bucket.get(subjects.entry(topology.HOOKS, str(hook.id)))
            assert record is not None
            data = json.dumps(json.loads(record.data) | further).encode()
            await bucket.put(subjects.entry(topology.HOOKS, str(hook.id)), data, record.sequence)
        async with working(settings):
            await see(bus, "a")
            assert (await receiver.wait(1))[0].key == f"a.{readable.id}"
        assert await bus.stream(f"HOOK_{unreadable.id}").state() is not None


async def test_consumers_that_somebody_removed_come_back(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async with receiving() as receiver, working(settings):
        hook = await create(hooks, receiver)
        await Queue(bus, hook.id).delete()
        await eventually(lambda: _has_consumers(bus, hook))
        await see(bus, "a")
        assert (await receiver.wait(1))[0].key == f"a.{hook.id}"


async def _has_consumers(bus: Bus, hook: Hook) -> bool:
    try:
        return len(await bus.client.jsm().consumers_info(f"HOOK_{hook.id}")) == 2
    except NotFoundError:
        return False
