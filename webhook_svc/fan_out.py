"""Puts each result into the queue of every hook whose filter it matches.

Results are handled one at a time and in order, even across crashes, so each queue holds a camera's events in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog
from nats.errors import Error as NatsError

from platelane.bus import MessageInfo
from platelane.errors import EngineUnavailable
from platelane.pb.v1 import stages_pb2
from platelane.webhooks.hook import Hook
from platelane.webhooks.matching import wanted
from platelane.webhooks.queue import QueuePlan, plan_of
from platelane.webhooks.registry import DROPPED
from platelane.webhooks.watchlists import Lists

log = structlog.get_logger(__name__)


class Hooks(Protocol):
    """The hooks, and counters of their events; `HookRegistry` is one."""

    def all(self) -> list[Hook]: ...

    def get(self, hook_id: int) -> Hook | None: ...

    async def count(self, hook_id: int, what: str, amount: int = 1, message_id: str = "") -> None: ...


class EventQueue(Protocol):
    """Holds a hook's events until they are delivered; `Queue` is one."""

    async def ensure(self, plan: QueuePlan) -> None: ...

    async def put(self, hook: Hook, result: stages_pb2.Result) -> int: ...


class FanOut:
    """Handles `stages_pb2.Result`."""

    def __init__(
        self, hooks: Hooks, queue_of: Callable[[int], EventQueue], default_limit: int, lists: Lists | None = None
    ) -> None:
        """`default_limit`: events that may wait for a hook without a limit of its own."""
        self._hooks = hooks
        self._lists = lists
        self._queue_of = queue_of
        self._default_limit = default_limit
        self._made: dict[int, QueuePlan] = {}

    async def handle(self, result: stages_pb2.Result, _info: MessageInfo) -> None:
        """Raises: EngineUnavailable; the result is then handled again, and queues drop duplicates."""
        matching = [hook for hook in self._hooks.all() if hook.queueing and wanted(hook, result, self._lists)]
        outcomes = await asyncio.gather(*(self._put(hook, result) for hook in matching), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _put(self, hook: Hook, result: stages_pb2.Result) -> None:
        queue, plan = self._queue_of(hook.id), plan_of(hook, self._default_limit)
        try:
            if self._made.get(hook.id) != plan:
                await queue.ensure(plan)
                self._made[hook.id] = plan
            dropped = await queue.put(hook, result)
        except (EngineUnavailable, NatsError) as error:
            self._made.pop(hook.id, None)
            if self._hooks.get(hook.id) is None:
                return
            raise EngineUnavailable(f"Events for webhook {hook.id} cannot be queued: {error}") from error
        if dropped:
            log.warning("events_dropped", hook=hook.id, dropped=dropped)
            await self._hooks.count(hook.id, DROPPED, dropped)
