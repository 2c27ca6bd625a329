"""The lanes of every hook: so many workers a hook, started and stopped as hooks come, change and go."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from nats.errors import Error as NatsError

from platelane.bus import Bus, Worker
from platelane.errors import PlatelaneError
from platelane.hooks.queue import Plan, Queue, delete_forgotten, plan_of
from platelane.hooks.store import Hooks
from platelane.pb.v1 import stages_pb2
from webhook_svc.deliverer import Deliverer

log = structlog.get_logger(__name__)

_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Running:
    plan: Plan
    stop: asyncio.Event
    task: asyncio.Task[None]


class Lanes:
    """Everything that is delivered by this process."""

    def __init__(self, bus: Bus, hooks: Hooks, deliverer: Deliverer) -> None:
        self._bus = bus
        self._hooks = hooks
        self._deliverer = deliverer
        self._running: dict[int, _Running] = {}
        self._changed = asyncio.Event()
        self._restoring: set[int] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`."""
        self._hooks.on_change(self._changed.set)
        self._bus.connection.on_reconnect(self._restore)
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._changed.set())
        with contextlib.suppress(PlatelaneError, NatsError):
            await delete_forgotten(self._bus.connection, self._hooks.numbers)
        try:
            while not stop.is_set():
                self._changed.clear()
                self._adjust()
                await self._changed.wait()
        finally:
            self._bus.connection.off_reconnect(self._restore)
            stopping.cancel()
            for running in self._running.values():
                running.stop.set()
            await asyncio.gather(*(running.task for running in self._running.values()))

    def _adjust(self) -> None:
        limit = self._bus.settings.webhook_queue
        wanted = {hook.id: plan_of(hook, limit) for hook in self._hooks.all() if hook.enabled}
        for hook_id, running in tuple(self._running.items()):
            if running.task.done():
                del self._running[hook_id]
            elif wanted.get(hook_id) != running.plan:
                running.stop.set()
        for hook_id in wanted.keys() - self._running.keys():
            self._start(wanted[hook_id])

    def _start(self, plan: Plan) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(self._serve(plan, stop))
        task.add_done_callback(lambda _: self._changed.set())
        self._running[plan.hook_id] = _Running(plan, stop, task)

    def _restore(self) -> None:
        """NATS may come back without its files."""
        for running in self._running.values():
            self._missing(running.plan)

    def _missing(self, plan: Plan) -> None:
        """Make what is not there any more, in the background."""
        if plan.hook_id not in self._restoring:
            self._restoring.add(plan.hook_id)
            self._bus.connection.spawn(self._restored(plan))

    async def _restored(self, plan: Plan) -> None:
        try:
            if self._is_running(plan):
                queue = Queue(self._bus, plan.hook_id)
                await queue.ensure(plan)
                await queue.ensure_lanes(plan, alone=False)
        except (PlatelaneError, NatsError, TimeoutError) as error:
            log.warning("lanes_not_restored", hook=plan.hook_id, error=str(error))
        finally:
            await asyncio.sleep(_PAUSE)
            self._restoring.discard(plan.hook_id)

    def _is_running(self, plan: Plan) -> bool:
        """Whether the hook is still there and its plan is this one."""
        hook, running = self._hooks.get(plan.hook_id), self._running.get(plan.hook_id)
        current = hook is not None and hook.enabled and plan_of(hook, self._bus.settings.webhook_queue) == plan
        return current and running is not None and running.plan == plan and not running.stop.is_set()

    async def _ensure(self, plan: Plan) -> None:
        queue = Queue(self._bus, plan.hook_id)
        await queue.ensure(plan)
        await queue.ensure_lanes(plan)

    async def _serve(self, plan: Plan, stop: asyncio.Event) -> None:
        """Work on the lanes of one hook; trouble with one is no trouble for others."""
        handler, missing = partial(self._deliverer.handle, plan.hook_id), partial(self._missing, plan)
        while not stop.is_set():
            try:
                await self._ensure(plan)
                async with asyncio.TaskGroup() as group:
                    for lane in plan.lanes:
                        group.create_task(Worker(self._bus, lane, stages_pb2.Delivery, handler, 1, missing).run(stop))
            except* (PlatelaneError, NatsError, TimeoutError) as errors:
                log.warning("lanes_not_ready", hook=plan.hook_id, error=str(errors.exceptions[0]))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE):
                        await stop.wait()
