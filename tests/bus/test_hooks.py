"""Webhooks on a real nats-server, with real receivers."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.js.errors import NotFoundError
from starlette.responses import Response

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Record, Stream
from platelane.errors import BadRequest, NotFound
from platelane.hooks.hook import Hook, HookSettings
from platelane.hooks.queue import Queue
from platelane.hooks.store import DEAD, DELIVERED, DROPPED, Hooks
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.settings import Settings
from tests.bus.support import NatsServer, eventually
from tests.receiver import Received, Receiver, closed_port, ok, receiving
from webhook_svc.__main__ import main


@pytest.fixture
def settings(server: NatsServer) -> Settings:
    return Settings(nats_url=server.url, ack_wait=0.5, webhook_timeout=1.0, webhook_retry_limit=0.2, deadline=5)


@asynccontextmanager
async def working(settings: Settings, count: int = 1) -> AsyncIterator[None]:
    """So many webhook services at work."""
    stop = asyncio.Event()
    buses = [await Bus.connect(settings, f"webhook_svc-{number}") for number in range(count)]
    services = [asyncio.create_task(main(settings, bus, stop)) for bus in buses]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*services)
        for bus in buses:
            await bus.close()


@pytest.fixture
async def hooks(bus: Bus) -> Hooks:
    """The hooks as another process knows and changes them."""
    return await Hooks.open(bus)


async def create(hooks: Hooks, receiver: Receiver, account: str = "", **fields: object) -> Hook:
    """A hook, once the services know it."""
    hook = await hooks.create(HookSettings.checked({"target": receiver.url, **fields}), account)
    await known(hooks, hook)
    return hook


async def known(hooks: Hooks, hook: Hook) -> None:
    async def has_queue() -> bool:
        return await Stream(hooks._bus, f"HOOK_{hook.id}").state() is not None

    await eventually(has_queue)


async def see(bus: Bus, name: str, camera: str = "gate", plate: str = "", account: str = "") -> None:
    """A result, as the aggregator publishes it."""
    sightings = [domain_pb2.Sighting(plate=domain_pb2.Plate(text=plate, text_score=0.9))] if plate else []
    recognition = domain_pb2.Recognition(
        id=name, camera_id=camera, filename=name, timestamp_us=1, sightings=sightings, image_width=64, image_height=48
    )
    result = stages_pb2.Result(recognition=recognition, account=account)
    await bus.publish(subjects.result(camera, name), result, f"{name}.final")


async def until_counted(hooks: Hooks, hook: Hook, what: str, number: int) -> None:
    async def counted() -> bool:
        return (await hooks.counts(hook.id))[what] == number

    await eventually(counted)


async def only_dead_letter(queue: Queue) -> tuple[Record, stages_pb2.DeadLetter]:
    """Waits for it: it is counted before it is kept."""

    async def kept() -> bool:
        return await queue.dead_letters(1, 10) != []

    await eventually(kept)
    (found,) = await queue.dead_letters(1, 10)
    return found


async def test_hook_gets_what_happens_from_now_on(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async with working(settings), receiving() as receiver:
        hook = await create(hooks, receiver)
        await see(bus, "a", plate="abc123")
        (got,) = await receiver.wait(1)
        await until_counted(hooks, hook, DELIVERED, 1)

    assert got.headers["content-type"] == "application/json"
    assert got.key == f"a.{hook.id}"
    assert got.document["hook"] == {"target": receiver.url, "id": hook.id, "event": "image.done"}
    assert got.document["data"]["results"][0]["plate"] == "abc123"
    assert got.document["data"]["timestamp"] == "1970-01-01T00:00:00.000001Z"


async def test_changes_are_told_everywhere(other_bus: Bus, hooks: Hooks) -> None:
    soon = 5.0  # after ten seconds everybody looks untold
    elsewhere = await Hooks.open(other_bus)
    hook = await hooks.create(HookSettings(target="http://a.example/"), "")

    async def there() -> bool:
        return elsewhere.get(hook.id) == hook

    await eventually(there, soon)
    changed = await elsewhere.change(hook.id, lambda hook: hook.model_copy(update={"enabled": False}))

    async def disabled() -> bool:
        return hooks.get(hook.id) == changed

    await eventually(disabled, soon)
    await elsewhere.delete(hook.id)

    async def gone() -> bool:
        return hooks.get(hook.id) is None

    await eventually(gone, soon)
    again = await hooks.create(HookSettings(target="http://a.example/"), "")
    assert again.id > hook.id, "no id is used twice"


async def test_changes_at_the_same_time_do_not_undo_each_other(other_bus: Bus, hooks: Hooks) -> None:
    hook = await hooks.create(HookSettings(target="http://a.example/"), "")
    elsewhere = await Hooks.open(other_bus)

    def more(hook: Hook) -> Hook:
        return hook.model_copy(update={"generation": hook.generation + 1})

    await asyncio.gather(*(each.change(hook.id, more) for each in (hooks, elsewhere) * 3))

    assert (await hooks.change(hook.id, lambda hook: hook)).generation == 6


async def test_unknown_hook(hooks: Hooks) -> None:
    with pytest.raises(NotFound):
        await hooks.change(7, lambda hook: hook)


async def test_hooks_of_the_environment(settings: Settings) -> None:
    async with receiving() as receiver:
        given = settings.model_copy(update={"webhook_targets": (receiver.url,)})
        bus = await Bus.connect(given, "test")
        hooks = await Hooks.open(bus)
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


async def test_filters_and_accounts(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async with working(settings), receiving() as listed, receiving() as mine:
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


async def test_order_by_camera_holds_while_requests_fail(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    """Two services, four lanes, every third request fails: no event overtakes an earlier one of its camera."""
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

    async with receiving(note) as receiver, working(settings, 2):
        hook = await create(hooks, receiver, concurrency=4)
        for number in range(10):
            for camera in ("north", "south", "east"):
                await see(bus, f"{camera}{number}", camera=camera)
        await until_counted(hooks, hook, DELIVERED, 30)

    for camera in ("north", "south", "east"):
        ours = [name for name in done if name.startswith(camera)]
        assert ours == [f"{camera}{number}" for number in range(10)]


async def test_retry_after_is_honoured(bus: Bus, settings: Settings, hooks: Hooks) -> None:
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


async def test_redirects_are_failures(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async with receiving() as elsewhere:

        async def redirect(_: Received) -> Response:
            return Response(status_code=307, headers={"Location": elsewhere.url})

        async with receiving(redirect) as receiver, working(settings):
            hook = await create(hooks, receiver)
            await see(bus, "a")
            await receiver.wait(2)

            async def noted() -> bool:
                return hooks.health(hook.id).responses != ()

            await eventually(noted)

    assert elsewhere.received == []
    assert "redirects are not followed" in hooks.health(hook.id).responses[0].detail


async def test_refused_event_becomes_a_dead_letter_that_can_be_replayed(
    bus: Bus, settings: Settings, hooks: Hooks
) -> None:
    async def refuse(_: Received) -> Response:
        return Response("what is this?", status_code=422)

    async with receiving(refuse) as receiver, working(settings):
        hook = await create(hooks, receiver, concurrency=1)
        await see(bus, "a")
        await until_counted(hooks, hook, DEAD, 1)
        queue = Queue(bus, hook.id)
        record, letter = await only_dead_letter(queue)
        receiver.answer = ok
        await see(bus, "b")
        await receiver.wait(6)
        await queue.replay(record, letter)
        await receiver.wait(7)

        async def gone() -> bool:
            return await queue.dead_letters(1, 10) == []

        await eventually(gone)

    assert "what is this?" in letter.reason
    assert [got.filename for got in receiver.received] == ["a"] * 5 + ["b", "a"]


async def test_an_event_that_cannot_be_written_is_given_up_and_holds_up_nothing(
    bus: Bus, settings: Settings, hooks: Hooks
) -> None:
    async with working(settings), receiving() as receiver:
        hook = await create(hooks, receiver)
        recognition = domain_pb2.Recognition(id="bad", camera_id="gate", timestamp_us=2**62)  # in no year
        await bus.publish(subjects.result("gate", "bad"), stages_pb2.Result(recognition=recognition), "bad.final")
        await see(bus, "good")
        (got,) = await receiver.wait(1)
        assert got.key == f"good.{hook.id}"
        await until_counted(hooks, hook, DEAD, 1)
        _, letter = await only_dead_letter(Queue(bus, hook.id))
        assert letter.reason.startswith("The event could not be written: OverflowError")


async def test_oldest_events_are_dropped_and_counted(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async def away(_: Received) -> Response:
        return Response(status_code=503)

    slow = settings.model_copy(update={"webhook_retry_limit": 60.0})
    async with receiving(away) as receiver, working(slow):
        hook = await create(hooks, receiver, max_queued=5)
        for number in range(12):
            await see(bus, f"{number}")
        await until_counted(hooks, hook, DROPPED, 7)
        receiver.answer = ok
        before = len(receiver.received)
        await hooks.change(hook.id, Hook.enabled_again)  # no need to wait for the next attempt
        await until_counted(hooks, hook, DELIVERED, 5)

    assert sorted({got.filename for got in receiver.received[before:]}, key=int) == ["7", "8", "9", "10", "11"]


async def test_consistent_failure_disables_and_tells_why(bus: Bus, settings: Settings, hooks: Hooks) -> None:
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
        broke, health = hooks.all()[0], hooks.health(hook.id)
        receiver.answer = ok
        await hooks.change(hook.id, Hook.enabled_again)
        await until_counted(hooks, hook, DELIVERED, 2)
        await eventually(lambda: _equal(hooks.health(hook.id).failing_since, None))

    assert "database is down" in broke.disabled_reason
    assert {each.status for each in health.responses} == {500}
    assert {got.filename for got in receiver.received[tries:]} == {"a", "b"}, "what came meanwhile was kept"


async def _equal(one: object, other: object) -> bool:
    return one == other


async def test_gone_for_good(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async def gone(_: Received) -> Response:
        return Response(status_code=410)

    async with receiving(gone) as receiver, working(settings):
        await create(hooks, receiver)
        await see(bus, "a")
        await eventually(lambda: _equal(hooks.all()[0].enabled, False))

    assert "gone for good" in hooks.all()[0].disabled_reason


async def test_dead_receivers_delay_nobody(bus: Bus, settings: Settings, hooks: Hooks) -> None:
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


async def test_deleted_hook_leaves_nothing(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async with receiving() as receiver, working(settings):
        hook = await create(hooks, receiver)
        await see(bus, "a")
        await until_counted(hooks, hook, DELIVERED, 1)
        await hooks.delete(hook.id)
        await Queue(bus, hook.id).delete()
        await see(bus, "b")
        await asyncio.sleep(0.5)
        state = await Stream(bus, f"HOOK_{hook.id}").state()

    assert state is None
    assert [got.filename for got in receiver.received] == ["a"]


async def test_forgotten_queues_are_removed_at_start(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async with receiving() as receiver:
        async with working(settings):
            hook = await create(hooks, receiver)
            await see(bus, "a")
            await receiver.wait(1)
        await hooks.delete(hook.id)  # and then the process that would remove the queue dies
        async with working(settings):

            async def gone() -> bool:
                return await Stream(bus, f"HOOK_{hook.id}").state() is None

            await eventually(gone)


async def test_a_hook_of_a_later_version_keeps_its_queue(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    bucket = Stream(bus, topology.KV_HOOKS)
    async with receiving() as receiver:
        async with working(settings):
            readable, unreadable = [await create(hooks, receiver) for _ in range(2)]
        for hook, further in ((readable, {"colour": "red"}), (unreadable, {"concurrency": 99})):
            record = await bucket.get(subjects.hook(str(hook.id)))
            assert record is not None
            data = json.dumps(json.loads(record.data) | further).encode()
            await bucket.put(subjects.hook(str(hook.id)), data, record.sequence)
        async with working(settings):
            await see(bus, "a")
            assert (await receiver.wait(1))[0].key == f"a.{readable.id}"
        assert await Stream(bus, f"HOOK_{unreadable.id}").state() is not None


async def test_lanes_that_somebody_removed_come_back(bus: Bus, settings: Settings, hooks: Hooks) -> None:
    async with receiving() as receiver, working(settings):
        hook = await create(hooks, receiver)
        await Queue(bus, hook.id).delete()
        await eventually(lambda: _has_consumers(bus, hook), timeout=15.0)
        await see(bus, "a")
        assert (await receiver.wait(1))[0].key == f"a.{hook.id}"


async def _has_consumers(bus: Bus, hook: Hook) -> bool:
    try:
        return len(await bus.client.jsm().consumers_info(f"HOOK_{hook.id}")) == hook.concurrency
    except NotFoundError:
        return False


async def test_nothing_is_lost_or_doubled_when_nats_is_killed(
    bus: Bus, server: NatsServer, settings: Settings, hooks: Hooks
) -> None:
    async with receiving() as receiver, working(settings):
        hook = await create(hooks, receiver)
        for number in range(60):
            await see(bus, f"{number}", camera=f"{number % 7}")
            if number in (20, 40):
                server.kill()
                await asyncio.sleep(0.2)
                await asyncio.to_thread(server.start)
        await until_counted(hooks, hook, DELIVERED, 60)

    assert Counter(got.filename for got in receiver.received) == {f"{number}": 1 for number in range(60)}


async def test_hooks_of_the_environment_outlive_the_files_of_nats(server: NatsServer, settings: Settings) -> None:
    async with receiving() as receiver:
        given = settings.model_copy(update={"webhook_targets": (receiver.url,)})
        bus = await Bus.connect(given, "test")
        hooks = await Hooks.open(bus)
        async with working(given):
            (hook,) = hooks.all()
            await known(hooks, hook)
            await see(bus, "a")
            await receiver.wait(1)
            server.kill()
            shutil.rmtree(server._directory)
            await asyncio.to_thread(server.start)
            await known(hooks, hook)
            await see(bus, "b")
            await receiver.wait(2)
        await bus.close()


async def test_images_bucket_is_there(bus: Bus) -> None:
    images = Stream(bus, topology.KV_IMAGES)
    await images.put(subjects.image("a"), b"picture")
    record = await images.get(subjects.image("a"))
    assert record is not None
    assert record.data == b"picture"
