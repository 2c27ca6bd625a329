"""The workers of every hook, started and stopped as hooks are created, changed and deleted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import structlog
from nats.errors import Error as NatsError

from platelane.bus import Bus, Worker
from platelane.errors import PlatelaneError
from platelane.pb.v1 import stages_pb2
from platelane.webhooks.hook import Hook
from platelane.webhooks.queue import Queue, QueuePlan, delete_forgotten, plan_of
from platelane.webhooks.registry import HookRegistry
from webhook_svc.delivery import DeliveryHandler

log = structlog.get_logger(__name__)

_PAUSE: Final = 1.0

Serve = Callable[[QueuePlan, asyncio.Event], Awaitable[None]]
"""Works on one hook's queue until the event is set."""


class Hooks(Protocol):
    """The hooks there are; `HookRegistry` is one."""

    def all(self) -> list[Hook]: ...

    def on_change(self, listener: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Running:
    plan: QueuePlan
    stop: asyncio.Event
    task: asyncio.Task[None]


class DeliveryWorkers:
    """Keeps one `serve` running for each enabled hook, with the hook's current plan."""

    def __init__(self, hooks: Hooks, default_limit: int, serve: Serve) -> None:
        """`default_limit`: events that may wait for a hook without a limit of its own."""
        self._hooks = hooks
        self._default_limit = default_limit
        self._serve = serve
        self._running: dict[int, _Running] = {}
        self._changed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`."""
        self._hooks.on_change(self._changed.set)
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._changed.set())
        try:
            while not stop.is_set():
                self._changed.clear()
                self._adjust()
                await self._changed.wait()
        finally:
            stopping.cancel()
            for running in self._running.values():
                running.stop.set()
            await asyncio.gather(*(running.task for running in self._running.values()))

    def _adjust(self) -> None:
        wanted = {hook.id: plan_of(hook, self._default_limit) for hook in self._hooks.all() if hook.enabled}
        for hook_id, running in tuple(self._running.items()):
            if running.task.done():
                del self._running[hook_id]
            elif wanted.get(hook_id) != running.plan:
                running.stop.set()
        for hook_id in wanted.keys() - self._running.keys():
            self._start(wanted[hook_id])

    def _start(self, plan: QueuePlan) -> None:
        stop = asyncio.Event()
        task = asyncio.ensure_future(self._serve(plan, stop))
        task.add_done_callback(lambda _: self._changed.set())
        self._running[plan.hook_id] = _Running(plan, stop, task)


class HookQueues:
    """Creates missing queues of hooks in NATS, and works on all of them."""

    def __init__(self, bus: Bus, hooks: HookRegistry, delivery: DeliveryHandler) -> None:
        self._bus = bus
        self._hooks = hooks
        self._delivery = delivery
        self._serving: dict[int, QueuePlan] = {}
        self._restoring: set[int] = set()

    async def open(self) -> None:
        """Remove the queues of deleted hooks; after a reconnect, create queues again that NATS has lost."""
        self._bus.connection.on_reconnect(self._restore_all)
        with contextlib.suppress(PlatelaneError, NatsError):
            await delete_forgotten(self._bus.connection, self._hooks.numbers)

    async def serve(self, plan: QueuePlan, stop: asyncio.Event) -> None:
        """Work on the queue of one hook until `stop`; a failure does not affect other hooks."""
        handler, missing = partial(self._delivery.handle, plan.hook_id), partial(self._restore, plan)
        self._serving[plan.hook_id] = plan
        while not stop.is_set():
            try:
                await self._ensure(plan)
                async with asyncio.TaskGroup() as group:
                    for each in plan.consumers:
                        worker = Worker(self._bus, each.consumer, stages_pb2.Delivery, handler, each.workers, missing)
                        group.create_task(worker.run(stop))
            except* (PlatelaneError, NatsError, TimeoutError) as errors:
                log.warning("hook_queue_not_ready", hook=plan.hook_id, error=str(errors.exceptions[0]))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await stop.wait()
        if self._serving.get(plan.hook_id) == plan:
            del self._serving[plan.hook_id]

    async def _ensure(self, plan: QueuePlan, *, alone: bool = True) -> None:
        queue = Queue(self._bus, plan.hook_id)
        await queue.ensure(plan)
        await queue.ensure_consumers(plan, alone=alone)

    def _restore_all(self) -> None:
        """NATS may come back without its files."""
        for plan in self._serving.values():
            self._restore(plan)

    def _restore(self, plan: QueuePlan) -> None:
        """Create the queue again if it is missing, in the background."""
        if plan.hook_id not in self._restoring:
            self._restoring.add(plan.hook_id)
            self._bus.connection.spawn(self._restored(plan))

    async def _restored(self, plan: QueuePlan) -> None:
        try:
            hook = self._hooks.get(plan.hook_id)
            if hook is not None and hook.enabled and self._serving.get(plan.hook_id) == plan:
                await self._ensure(plan, alone=False)
        except (PlatelaneError, NatsError, TimeoutError) as error:
            log.warning("hook_queue_not_restored", hook=plan.hook_id, error=str(error))
        finally:
            await asyncio.sleep(_PAUSE)
            self._restoring.discard(plan.hook_id)
