"""Which queues a result goes into, and what happens if one refuses it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest

from platelane.bus import MessageInfo
from platelane.errors import EngineUnavailable, Overloaded, PlatelaneError
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.webhooks.hook import Hook
from platelane.webhooks.queue import QueuePlan
from webhook_svc.fan_out import FanOut

INFO = MessageInfo("platelane.results.gate.job", 1, 1)


@dataclass
class World:
    """Hooks and their queues, in memory."""

    hooks: dict[int, Hook]
    made: list[QueuePlan] = field(default_factory=list)
    queued: list[tuple[int, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    away: set[int] = field(default_factory=set)
    """Hooks whose queue takes nothing, for this reason."""
    reason: PlatelaneError = field(default_factory=lambda: EngineUnavailable("NATS does not answer."))
    deleted: set[int] = field(default_factory=set)
    """Hooks that go while a result is handled."""
    dropping: int = 0

    def __post_init__(self) -> None:
        self.fan_out = FanOut(self, lambda _: self, 10_000)

    def all(self) -> list[Hook]:
        return list(self.hooks.values())

    def get(self, hook_id: int) -> Hook | None:
        return None if hook_id in self.deleted else self.hooks.get(hook_id)

    async def count(self, hook_id: int, what: str, amount: int = 1, message_id: str = "") -> None:
        assert not message_id
        self.counts[f"{hook_id}.{what}"] += amount

    async def ensure(self, plan: QueuePlan) -> None:
        self.made.append(plan)

    async def put(self, hook: Hook, result: stages_pb2.Result) -> int:
        if hook.id in self.away:
            raise self.reason
        self.queued.append((hook.id, result.recognition.id))
        return self.dropping

    async def see(self, name: str = "job", camera: str = "gate", account: str = "") -> None:
        recognition = domain_pb2.Recognition(id=name, camera_id=camera)
        await self.fan_out.handle(stages_pb2.Result(recognition=recognition, account=account), INFO)


def world(**hooks: dict[str, object]) -> World:
    numbered = enumerate(hooks.values(), 1)
    return World({i: Hook.model_validate({"id": i, "target": "http://a.example/", **each}) for i, each in numbered})


async def test_a_result_goes_to_every_hook_that_wants_it() -> None:
    one = world(
        all={},
        other_camera={"filter": {"cameras": ["yard"]}},
        same_account={"account": "me"},
        other_account={"account": "you"},
        off={"enabled": False},
        broken={"enabled": False, "disabled_reason": "it failed"},
    )
    await one.see(account="me")
    assert sorted(one.queued) == [(1, "job"), (3, "job"), (6, "job")]


async def test_a_queue_is_made_once_for_each_plan() -> None:
    one = world(only={})
    await one.see("a")
    await one.see("b")
    assert [plan.max_queued for plan in one.made] == [10_000]
    one.hooks[1] = one.hooks[1].model_copy(update={"max_queued": 5})
    await one.see("c")
    assert [plan.max_queued for plan in one.made] == [10_000, 5]


async def test_one_queue_that_takes_nothing_keeps_no_result_from_others() -> None:
    one = world(away={}, fine={})
    one.away = {1}
    with pytest.raises(EngineUnavailable, match="webhook 1"):
        await one.see()
    assert one.queued == [(2, "job")]
    one.away = set()
    await one.see()
    assert (1, "job") in one.queued
    assert [plan.hook_id for plan in one.made] == [1, 2, 1], "it is made again: NATS may have lost it"


async def test_a_hook_that_was_deleted_meanwhile_holds_up_nothing() -> None:
    one = world(deleted={})
    one.away = one.deleted = {1}
    await one.see()
    assert one.queued == []


async def test_events_that_had_to_go_are_counted() -> None:
    one = world(full={})
    one.dropping = 3
    await one.see()
    assert one.counts == {"1.dropped": 3}


async def test_what_the_machine_has_no_room_for_is_handled_again() -> None:
    one = world(full={})
    one.away, one.reason = {1}, Overloaded("The disk is full.")
    with pytest.raises(Overloaded):
        await one.see()
