"""Each result goes into the queue of every hook that wants it.

One at a time, in the order of the results, whatever dies: so each queue holds a camera's events in their order.
"""

from __future__ import annotations

import asyncio

import structlog
from nats.errors import Error as NatsError

from platelane.bus import Bus
from platelane.errors import EngineUnavailable
from platelane.hooks.hook import Hook
from platelane.hooks.matching import wanted
from platelane.hooks.queue import Plan, Queue, plan_of
from platelane.hooks.store import DROPPED, Hooks
from platelane.pb.v1 import stages_pb2

log = structlog.get_logger(__name__)


class Dispatcher:
    """Handles `stages_pb2.Result`."""

    def __init__(self, bus: Bus, hooks: Hooks) -> None:
        self._bus = bus
        self._hooks = hooks
        self._made: dict[int, Plan] = {}

    async def handle(self, result: stages_pb2.Result) -> None:
        """Raises: EngineUnavailable; the result is then dispatched again, and queues drop what they have."""
        takers = [hook for hook in self._hooks.all() if hook.queueing and wanted(hook, result)]
        outcomes = await asyncio.gather(*(self._queue(hook, result) for hook in takers), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _queue(self, hook: Hook, result: stages_pb2.Result) -> None:
        queue, plan = Queue(self._bus, hook.id), plan_of(hook, self._bus.settings.webhook_queue)
        try:
            if self._made.get(hook.id) != plan:
                await queue.ensure(plan)
                self._made[hook.id] = plan
            dropped = await queue.put(hook, result)
        except (EngineUnavailable, NatsError) as error:
            self._made.pop(hook.id, None)
            if self._hooks.get(hook.id) is None:
                return
            raise EngineUnavailable(f"Webhook {hook.id} takes no events: {error}") from error
        if dropped:
            log.warning("events_dropped", hook=hook.id, dropped=dropped)
            await self._hooks.count(hook.id, DROPPED, dropped)
