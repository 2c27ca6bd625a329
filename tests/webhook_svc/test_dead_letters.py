"""Events that are given up."""

from __future__ import annotations

from starlette.responses import Response

from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import DEAD, HookRegistry
from tests.receiver import Received, ok, receiving
from tests.support import eventually
from tests.webhook_svc.services import create, only_dead_letter, see, until_counted, working


async def test_refused_event_becomes_a_dead_letter_that_can_be_replayed(
    bus: Bus, settings: Settings, hooks: HookRegistry
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
        await receiver.wait(3)
        await queue.replay(record, letter)
        await receiver.wait(4)

        async def gone() -> bool:
            return await queue.dead_letters(1, 10) == []

        await eventually(gone)

    assert "what is this?" in letter.reason
    assert [got.filename for got in receiver.received] == ["a"] * 2 + ["b", "a"]


async def test_an_event_that_cannot_be_written_is_given_up_and_holds_up_nothing(
    bus: Bus, settings: Settings, hooks: HookRegistry
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
