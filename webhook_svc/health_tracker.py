"""Tracks the health of receivers: every request is observed, and the state is stored every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final, Protocol

import structlog
from nats.errors import Error as NatsError

from platelane.errors import PlatelaneError
from platelane.webhooks.health import HealthStore, HookHealth, Observations
from platelane.webhooks.response import Response

log = structlog.get_logger(__name__)

WRITE_EVERY: Final = 5.0
"""Seconds between two writes of a hook's health; a receiver that is down can fail hundreds of times in between."""


class Observer(Protocol):
    """Observes every request to a receiver."""

    def observe(self, hook_id: int, response: Response, *, with_plate: bool) -> HookHealth:
        """Record a request; returns the receiver's current health."""
        ...


class HealthTracker:
    """Observes requests, and stores changes of the receivers' health."""

    def __init__(self, store: HealthStore) -> None:
        self._store = store
        self._stored: dict[int, HookHealth] = {}
        self._observed: dict[int, Observations] = {}

    def observe(self, hook_id: int, response: Response, *, with_plate: bool) -> HookHealth:
        """Record a request; returns the receiver's health as far as this process knows it."""
        observed = self._observed.setdefault(hook_id, Observations())
        observed.add(response, with_plate=with_plate)
        return self._stored.get(hook_id, HookHealth()).after(observed)

    async def run(self, stop: asyncio.Event) -> None:
        """Store the observations every `WRITE_EVERY` seconds until `stop`, and once more at the end."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WRITE_EVERY):
                    await stop.wait()
            await self.flush()

    async def flush(self) -> None:
        """Store the observations; those that cannot be stored now are kept for the next time."""
        pending, self._observed = self._observed, {}
        for hook_id, observed in pending.items():
            try:
                before, after = await self._store.change(hook_id, partial(_after, observed))
            except (PlatelaneError, NatsError) as error:
                log.warning("hook_health_not_written", hook=hook_id, error=str(error))
                self._observed[hook_id] = _joined(observed, self._observed.get(hook_id))
                continue
            self._stored[hook_id] = after
            if after.failing_since and not before.failing_since:
                log.warning("hook_failing", hook=hook_id, last=str(after.responses[-1]))
            elif before.failing_since and not after.failing_since:
                log.info("hook_recovered", hook=hook_id)


def _after(observed: Observations, health: HookHealth) -> HookHealth:
    return health.after(observed)


def _joined(earlier: Observations, later: Observations | None) -> Observations:
    """Two consecutive sets of observations as one."""
    if later is None:
        return earlier
    before = Observations() if later.succeeded else earlier
    return Observations(
        succeeded=earlier.succeeded or later.succeeded,
        failures=before.failures + later.failures,
        failing_since=before.failing_since or later.failing_since,
        responses=[*earlier.responses, *later.responses],
        tallies={plate: earlier.tallies[plate] + later.tallies[plate] for plate in (True, False)},
    )
