"""The queue of a hook on a real nats-server."""

from __future__ import annotations

import contextlib

import pytest
from nats.js.errors import NotFoundError

import platelane.bus.apply
from platelane.bus import Bus
from platelane.bus.streams import Record
from platelane.errors import EngineUnavailable
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.webhooks.hook import Hook, HookSettings
from platelane.webhooks.queue import Queue, plan_of
from platelane.webhooks.registry import HookRegistry
from tests.support import NatsServer


async def test_a_server_that_does_not_answer_is_unavailable(
    bus: Bus, hooks: HookRegistry, server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/"}), "")
    monkeypatch.setattr(platelane.bus.apply, "_REQUEST_PATIENCE", 0.1)
    server.freeze()
    with pytest.raises(EngineUnavailable):
        await Queue(bus, hook.id).ensure(plan_of(hook, 10))


async def test_a_dropped_event_does_not_come_back_for_its_retry(bus: Bus, hooks: HookRegistry) -> None:
    hook = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/", "max_queued": 2}), "")
    queue = Queue(bus, hook.id)
    await queue.ensure(plan_of(hook, 10))
    results = [stages_pb2.Result(recognition=domain_pb2.Recognition(id=name)) for name in "abc"]
    assert [await queue.put(hook, result) for result in results] == [0, 0, 1]
    await bus.stream(f"HOOK_{hook.id}").delete(3)  # so that there is room
    await queue.retry("a", stages_pb2.Delivery(result=results[0]), 1, 1.0)
    assert await queue.waiting() == 1
    await queue.retry("b", stages_pb2.Delivery(result=results[1]), 2, 1.0)
    assert await queue.waiting() == 2


async def test_in_a_full_queue_an_event_that_fails_displaces_the_oldest_that_has_failed(
    bus: Bus, hooks: HookRegistry
) -> None:
    hook = await hooks.create(HookSettings.checked({"target": "http://127.0.0.1:9/", "max_queued": 3}), "")
    queue, stream = Queue(bus, hook.id), bus.stream(f"HOOK_{hook.id}")
    await queue.ensure(plan_of(hook, 10))
    results = [stages_pb2.Result(recognition=domain_pb2.Recognition(id=name)) for name in "abcde"]
    for result in results[:3]:
        await queue.put(hook, result)

    async def waiting() -> list[str]:
        records = await queue_records(bus, hook)
        return [stages_pb2.Delivery.FromString(record.data).result.recognition.id for record in records]

    assert await queue.retry("a", stages_pb2.Delivery(result=results[0]), 1, 9.0) == 0, "it made room for itself"
    assert await waiting() == ["b", "c", "a"]
    assert await queue.retry("b", stages_pb2.Delivery(result=results[1]), 2, 9.0) == 1
    assert await waiting() == ["b", "c", "b"], "the first is acknowledged now"
    await stream.delete(2)
    await queue.put(hook, results[3])
    assert await queue.retry("c", stages_pb2.Delivery(result=results[2]), 3, 9.0) == 1
    assert await waiting() == ["c", "d", "c"]


async def queue_records(bus: Bus, hook: Hook) -> list[Record]:
    """What is in a hook's queue, in order."""
    manager, found = bus.client.jsm(), []
    state = await bus.stream(f"HOOK_{hook.id}").state() or {}
    for sequence in range(state["first_seq"], state["last_seq"] + 1):
        with contextlib.suppress(NotFoundError):
            message = await manager.get_msg(f"HOOK_{hook.id}", seq=sequence)
            found.append(Record(message.subject or "", sequence, 0.0, message.data or b""))
    return found
