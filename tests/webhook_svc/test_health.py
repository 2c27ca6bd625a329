"""Hooks that fail: what is recorded and announced, and when they are disabled."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import Response

from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.webhooks.health import HealthStore
from platelane.webhooks.hook import Hook
from platelane.webhooks.registry import DELIVERED, HookRegistry
from tests.receiver import Received, ok, receiving
from tests.support import eventually
from tests.webhook_svc.services import create, holds, see, until_counted, working
from webhook_svc import health_tracker


async def test_a_hook_of_a_token_posts_to_no_private_address(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async with working(settings), receiving() as receiver, receiving() as operators:
        hook = await create(hooks, receiver, "me")
        await create(hooks, operators)
        await see(bus, "own", account="me")
        await operators.wait(1)
        store = HealthStore(bus)
        await eventually(lambda: holds(store, hook, lambda health: health.failures > 0))
        health = await store.get(hook.id)
    assert receiver.received == []
    assert "may not connect to" in health.last_failures[0]["detail"]


async def test_failures_are_written_seldom_and_told_to_nobody(
    bus: Bus, settings: Settings, hooks: HookRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Received) -> Response:
        return Response(status_code=500)

    monkeypatch.setattr(health_tracker, "WRITE_EVERY", 1.0)
    told: list[bytes] = []

    async def tell(data: bytes) -> None:
        told.append(data)

    async with receiving(broken) as receiver, working(settings):
        hook = await create(hooks, receiver, concurrency=16)
        await bus.subscribe(subjects.changed(topology.HOOKS, "*"), tell)
        for number in range(30):
            await see(bus, f"{number}")
        await receiver.wait(60)
        await eventually(lambda: holds(HealthStore(bus), hook, lambda health: health.failures >= 60))
    state = await bus.stream(topology.KV_HOOK_HEALTH).state()
    assert state is not None
    assert state["last_seq"] < 20, "not a write for each of sixty failures"
    assert told == []


async def test_consistent_failure_disables_and_tells_why(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async def broken(_: Received) -> Response:
        return Response("database is down", status_code=500)

    impatient = settings.model_copy(update={"webhook_disable_after": 0.5})
    async with receiving(broken) as receiver, working(impatient):
        hook = await create(hooks, receiver)
        await see(bus, "a")

        async def disabled() -> bool:
            return not hooks.all()[0].enabled

        await eventually(disabled)
        tries = len(receiver.received)
        await see(bus, "b")
        await asyncio.sleep(0.5)
        assert len(receiver.received) == tries, "nothing is sent any more"
        broke, store = hooks.all()[0], HealthStore(bus)
        await eventually(lambda: holds(store, hook, lambda health: health.failures > 0))
        health = await store.get(hook.id)
        receiver.answer = ok
        await hooks.change(hook.id, Hook.enabled_again)
        await until_counted(hooks, hook, DELIVERED, 2)
        await eventually(lambda: holds(store, hook, lambda health: health.failing_since is None))

    assert "database is down" in broke.disabled_reason
    assert {each.status for each in health.responses} == {500}
    assert {got.filename for got in receiver.received[tries:]} == {"a", "b"}, "what came meanwhile was kept"


async def test_gone_for_good(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async def gone(_: Received) -> Response:
        return Response(status_code=410)

    async with receiving(gone) as receiver, working(settings):
        await create(hooks, receiver)
        await see(bus, "a")
        await eventually(lambda: _equal(hooks.all()[0].enabled, False))

    assert "gone for good" in hooks.all()[0].disabled_reason


async def _equal(one: object, other: object) -> bool:
    return one == other
