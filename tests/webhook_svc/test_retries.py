"""Failed events: which are retried, when, and what they hold up."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from starlette.responses import Response

from platelane.bus import Bus
from platelane.runtime.settings import Settings
from platelane.webhooks.health import HealthStore
from platelane.webhooks.hook import Hook, HookSettings
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import DEAD, DELIVERED, DROPPED, HookRegistry
from tests.receiver import Received, closed_port, ok, receiving
from tests.support import NatsServer, eventually
from tests.webhook_svc.services import create, holds, known, see, until_counted, working


async def test_order_by_camera_holds_while_requests_fail(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    """Two services, four workers, every third request fails: no event overtakes an earlier one of its camera."""
    calls = 0

    async def moody(_: Received) -> Response:
        nonlocal calls
        calls += 1
        return Response(status_code=503 if calls % 3 == 0 else 200)

    done: list[str] = []

    async def note(got: Received) -> Response:
        answer = await moody(got)
        if answer.status_code == 200:
            done.append(got.filename)
        return answer

    patient = settings.model_copy(update={"ack_wait": 30.0})  # a busy machine gets none a second time meanwhile
    async with receiving(note) as receiver:
        # made before they start, so that both know it
        hook = await hooks.create(HookSettings(target=receiver.url, concurrency=4, ordered=True), "")
        async with working(patient, 2):
            await known(hooks, hook)
            for number in range(10):
                for camera in ("north", "south", "east"):
                    await see(bus, f"{camera}{number}", camera=camera)
            await until_counted(hooks, hook, DELIVERED, 30)

    for camera in ("north", "south", "east"):
        ours = list(dict.fromkeys(name for name in done if name.startswith(camera)))  # one may come twice
        assert ours == [f"{camera}{number}" for number in range(10)]


async def test_an_event_that_fails_holds_up_nothing(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    """A receiver that reads the first result fails for a picture without a plate: everything else arrives at once."""

    async def naive(got: Received) -> Response:
        return Response(status_code=200 if got.document["data"]["results"] else 500)

    patient = settings.model_copy(update={"webhook_retry_limit": 3_600.0})
    async with receiving(naive) as receiver, working(patient):
        hook = await create(hooks, receiver, concurrency=1)
        for number in range(6):
            await see(bus, f"empty{number}", camera="north")
        for number in range(9):
            await see(bus, f"good{number}", camera=f"camera{number}", plate="abc123")
        await see(bus, "same", camera="north", plate="abc123")
        await until_counted(hooks, hook, DELIVERED, 10)
        store = HealthStore(bus)
        await eventually(lambda: holds(store, hook, lambda health: health.fails_without_plate))
        assert await Queue(bus, hook.id).waiting() == 6
    async with receiving(naive) as other, working(patient):
        await hooks.change(hook.id, lambda current: current.model_copy(update={"target": other.url}))
        for number in range(9):
            await see(bus, f"after{number}", camera=f"camera{number}", plate="abc123")
        await see(bus, "north-after", camera="north", plate="abc123")
        await until_counted(hooks, hook, DELIVERED, 20)
        assert await Queue(bus, hook.id).waiting() == 6, "nor does it after a restart"
    firsts = [got for got in receiver.received if got.filename.startswith("empty")]
    numbers = {got.filename: got.document["hook"]["sequence"] for got in receiver.received}
    assert len(firsts) >= 6
    order = [numbers[f"empty{number}"] for number in range(6)]
    assert order == sorted(set(order)), "each has a number of its own, the same for all attempts"


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_a_refusal_is_given_up_soon_and_does_not_delay_its_camera(
    bus: Bus, settings: Settings, hooks: HookRegistry, status: int
) -> None:
    async def listing(got: Received) -> Response:
        return Response(status_code=200 if got.filename.startswith("known") else status)

    async with receiving(listing) as receiver, working(settings.model_copy(update={"webhook_retry_limit": 3_600.0})):
        hook = await create(hooks, receiver, concurrency=1)
        for number in range(4):
            await see(bus, f"unknown{number}", camera="north")
        await see(bus, "known", camera="north")
        await receiver.wait(5)
        assert [got.filename for got in receiver.received][:5] == [*(f"unknown{i}" for i in range(4)), "known"]
        await until_counted(hooks, hook, DEAD, 4)
    attempts = Counter(got.filename for got in receiver.received)
    assert attempts == {**{f"unknown{number}": 2 for number in range(4)}, "known": 1}


async def test_what_waits_for_its_retry_is_sent_also_where_order_is_wanted_from_now_on(
    bus: Bus, settings: Settings, hooks: HookRegistry
) -> None:
    async def broken(_: Received) -> Response:
        return Response(status_code=500)

    async with receiving(broken) as receiver, working(settings.model_copy(update={"webhook_retry_limit": 1.0})):
        hook = await create(hooks, receiver)
        await see(bus, "a")
        await receiver.wait(2)
        receiver.answer = ok
        await hooks.change(hook.id, lambda current: current.model_copy(update={"ordered": True}))
        await see(bus, "b")
        await until_counted(hooks, hook, DELIVERED, 2)


async def test_a_service_that_is_replaced_goes_on_with_what_waits(
    bus: Bus, settings: Settings, hooks: HookRegistry
) -> None:
    async def broken(_: Received) -> Response:
        return Response(status_code=500)

    async with receiving(broken) as receiver:
        async with working(settings.model_copy(update={"webhook_retry_limit": 2.0})):
            hook = await create(hooks, receiver)
            await see(bus, "a")
            (first, *_) = await receiver.wait(1)
        receiver.answer = ok
        async with working(settings):
            await see(bus, "b")
            await until_counted(hooks, hook, DELIVERED, 2)
    again = [got for got in receiver.received if got.filename == "a"][-1]
    assert again.key == first.key
    assert again.document["hook"] == first.document["hook"], "number and time are those of the first attempt"


async def test_retry_after_is_honoured(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async def busy(_: Received) -> Response:
        receiver.answer = ok
        return Response(status_code=429, headers={"Retry-After": "1"})

    async with receiving(busy) as receiver, working(settings):
        hook = await create(hooks, receiver)
        await see(bus, "a")
        first, second = await receiver.wait(2)
        await until_counted(hooks, hook, DELIVERED, 1)

    assert second.at - first.at >= 1.0
    assert first.key == second.key


async def test_redirects_are_failures(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async with receiving() as elsewhere:

        async def redirect(_: Received) -> Response:
            return Response(status_code=307, headers={"Location": elsewhere.url})

        async with receiving(redirect) as receiver, working(settings):
            hook = await create(hooks, receiver)
            await see(bus, "a")
            await receiver.wait(2)

            async def noted() -> bool:
                return (await HealthStore(bus).get(hook.id)).responses != ()

            await eventually(noted)

    assert elsewhere.received == []
    assert "redirects are not followed" in (await HealthStore(bus).get(hook.id)).responses[0].detail


async def test_oldest_events_are_dropped_and_counted(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    all_queued = asyncio.Event()

    async def away(_: Received) -> Response:
        await all_queued.wait()
        return Response(status_code=503)

    slow = settings.model_copy(update={"webhook_retry_limit": 60.0, "webhook_timeout": 30.0})
    async with receiving(away) as receiver, working(slow):
        hook = await create(hooks, receiver, max_queued=5)
        for number in range(12):
            await see(bus, f"{number}")
        await until_counted(hooks, hook, DROPPED, 7)
        all_queued.set()
        await receiver.wait(4)
        receiver.answer = ok
        before = len(receiver.received)
        await hooks.change(hook.id, Hook.enabled_again)  # no need to wait for the next attempt
        await until_counted(hooks, hook, DELIVERED, 5)

    assert sorted({got.filename for got in receiver.received[before:]}, key=int) == ["7", "8", "9", "10", "11"]


async def test_dead_receivers_delay_nobody(bus: Bus, settings: Settings, hooks: HookRegistry) -> None:
    async def silent(_: Received) -> Response:
        await asyncio.sleep(30)
        return Response()

    async with receiving(silent) as dead, receiving() as healthy, working(settings):
        with closed_port() as nobody:
            await hooks.create(HookSettings(target=nobody), "")
            await create(hooks, dead)
            await create(hooks, healthy)
            for number in range(50):
                await see(bus, f"{number}", camera=f"{number % 5}")
            await healthy.wait(50, timeout=25)  # each of them after the dead one's timeout: 50


async def test_nothing_is_lost_or_doubled_when_nats_is_killed(
    bus: Bus, server: NatsServer, settings: Settings, hooks: HookRegistry
) -> None:
    async with receiving() as receiver, working(settings):
        hook = await create(hooks, receiver)
        for number in range(60):
            await see(bus, f"{number}", camera=f"{number % 7}")
            if number in (20, 40):
                server.kill()
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.start)
        await receiver.wait(60)

        async def settled() -> bool:
            return await Queue(bus, hook.id).waiting() == 0

        await eventually(settled)
        assert (await hooks.counts(hook.id))[DELIVERED] == 60, "what was sent before it was acknowledged counts once"

    assert Counter(got.filename for got in receiver.received) == {f"{number}": 1 for number in range(60)}
