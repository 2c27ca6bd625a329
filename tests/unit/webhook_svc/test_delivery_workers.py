"""One worker per hook, as hooks come, change and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from platelane.webhooks.hook import Hook
from platelane.webhooks.queue import QueuePlan
from webhook_svc.delivery_workers import DeliveryWorkers


@dataclass
class Scene:
    """Hooks, and the plans that are being served."""

    hooks: dict[int, Hook] = field(default_factory=dict)
    serving: list[QueuePlan] = field(default_factory=list)
    listener: Callable[[], None] = lambda: None

    def all(self) -> list[Hook]:
        return list(self.hooks.values())

    def on_change(self, listener: Callable[[], None]) -> None:
        self.listener = listener

    async def set(self, *hooks: Hook) -> None:
        self.hooks = {hook.id: hook for hook in hooks}
        self.listener()
        for _ in range(10):
            await asyncio.sleep(0)

    async def serve(self, plan: QueuePlan, stop: asyncio.Event) -> None:
        self.serving.append(plan)
        await stop.wait()
        self.serving.remove(plan)


@asynccontextmanager
async def running() -> AsyncIterator[Scene]:
    scene, stop = Scene(), asyncio.Event()
    task = asyncio.create_task(DeliveryWorkers(scene, 100, scene.serve).run(stop))
    await asyncio.sleep(0)
    yield scene
    stop.set()
    await task
    assert scene.serving == []


def hook(number: int, **fields: object) -> Hook:
    return Hook.model_validate({"id": number, "target": "http://a.example/", **fields})


async def test_hooks_that_come_are_served_and_those_that_go_are_not() -> None:
    async with running() as scene:
        await scene.set(hook(1), hook(2))
        assert {plan.hook_id for plan in scene.serving} == {1, 2}
        await scene.set(hook(2))
        assert {plan.hook_id for plan in scene.serving} == {2}


async def test_a_hook_that_changes_is_served_by_its_new_plan_alone() -> None:
    async with running() as scene:
        await scene.set(hook(1))
        await scene.set(hook(1, ordered=True, max_queued=5))
        ((served),) = scene.serving
        assert (served.ordered, served.max_queued) == (True, 5)


async def test_what_does_not_concern_the_queue_restarts_nothing() -> None:
    async with running() as scene:
        await scene.set(hook(1))
        (before,) = scene.serving
        await scene.set(hook(1, secret="x", target="http://b.example/"))
        assert scene.serving[0] is before


async def test_a_disabled_hook_is_not_served() -> None:
    async with running() as scene:
        await scene.set(hook(1))
        await scene.set(hook(1, enabled=False))
        assert scene.serving == []
