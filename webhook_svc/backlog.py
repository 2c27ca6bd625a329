"""Metrics of webhook queues, of hooks and of NATS' disk use, updated when Prometheus scrapes."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Final

from nats.errors import Error as NatsError

from platelane import times
from platelane.bus import Bus
from platelane.errors import PlatelaneError
from platelane.runtime import metrics
from platelane.webhooks.hook import Hook
from platelane.webhooks.queue import hook_of_stream
from platelane.webhooks.registry import HookRegistry

_PATIENCE: Final = 3.0
"""Seconds; a scrape may take five."""
_UNLIMITED: Final = -1


class Backlog:
    """Sets the metrics of all hooks. All replicas report the same."""

    def __init__(self, bus: Bus, hooks: HookRegistry) -> None:
        self._bus = bus
        self._hooks = hooks

    async def update(self) -> None:
        """Update the metrics; those that NATS cannot answer at the moment are removed."""
        states = Counter(_state(hook) for hook in self._hooks.all())
        for state in ("enabled", "off", "disabled"):
            metrics.HOOKS.labels(state).set(states[state])
        try:
            streams = await self._bus.all_streams(_PATIENCE)
        except (PlatelaneError, NatsError, TimeoutError):
            streams = []
        for gauge in (metrics.HOOK_QUEUE, metrics.HOOK_LAG, metrics.STORE):
            gauge.clear()
        for stream in streams:
            self._set_queue(stream)
        if streams:
            metrics.STORE.labels("used").set(sum(stream["state"]["bytes"] for stream in streams))
            limits = [stream["config"]["max_bytes"] for stream in streams]
            metrics.STORE.labels("reserved").set(sum(limit for limit in limits if limit != _UNLIMITED))

    def _set_queue(self, stream: dict[str, Any]) -> None:
        hook_id, state = hook_of_stream(stream["config"]["name"]), stream["state"]
        hook = self._hooks.get(hook_id) if hook_id is not None else None
        if hook is None:
            return
        metrics.HOOK_QUEUE.labels(hook.id).set(state["messages"])
        if hook.enabled:
            oldest = times.parse(state["first_ts"]).timestamp()
            metrics.HOOK_LAG.labels(hook.id).set(max(0.0, time.time() - oldest) if state["messages"] else 0.0)


def _state(hook: Hook) -> str:
    if hook.enabled:
        return "enabled"
    return "disabled" if hook.disabled_reason else "off"
