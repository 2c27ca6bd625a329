"""A queued event becomes a request; what the receiver answers decides what becomes of event and hook."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from nats.errors import Error as NatsError

from platelane.bus import Bus, Done, Outcome, Reject, RetryAfter, attempt, subjects, topology
from platelane.bus.streams import Stream
from platelane.errors import PlatelaneError
from platelane.hooks.hook import Hook
from platelane.hooks.payload import Payload, ascii_json, document, encode, safe_name
from platelane.hooks.picture import Picture, upright
from platelane.hooks.post import Poster
from platelane.hooks.response import Response
from platelane.hooks.store import DEAD, DELIVERED, Health, Hooks
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.settings import Settings

log = structlog.get_logger(__name__)

GONE: Final = 410
REFUSALS: Final = frozenset({400, 413, 415, 422})
"""The receiver does not want this very event; another attempt is for the case that it was restarting."""
REFUSAL_ATTEMPTS: Final = 5
LEAST_FAILURES: Final = 5
"""Before a hook is disabled, however long ago the first of them was."""
LONGEST_WAIT: Final = 86_400.0
"""The most that a receiver can ask for with Retry-After, seconds."""
_REMEMBERED: Final = 20_000
_DISABLED: Final = 5.0

Notify = Callable[[Hook, Health], Awaitable[None]]


class Deliverer:
    """Delivers the events of all hooks."""

    def __init__(self, bus: Bus, hooks: Hooks, poster: Poster, notify: Notify) -> None:
        self._settings: Settings = bus.settings
        self._hooks = hooks
        self._poster = poster
        self._notify = notify
        self._images = Stream(bus, topology.KV_IMAGES)
        self._delivered: dict[str, None] = {}
        self._uncounted: Counter[int] = Counter()

    async def handle(self, hook_id: int, delivery: stages_pb2.Delivery) -> Outcome:
        """Post one event."""
        hook, recognition = self._hooks.get(hook_id), delivery.result.recognition
        if hook is None or not hook.enabled:
            return RetryAfter(_DISABLED, "disabled")
        key = hook.key(recognition.id)
        if key in self._delivered:
            return Done()  # NATS died before it had written down that this is done
        try:
            payload = await self._payload(hook, recognition, key)
        except PlatelaneError:
            raise
        except Exception as error:
            log.exception("event_not_written", hook=hook.id, job=recognition.id)
            reason = f"The event could not be written: {type(error).__name__}: {error}"
            if attempt() < REFUSAL_ATTEMPTS:
                return RetryAfter(self._growing_pause(), reason)
            # it will be the same the next time, and everything behind it waits
            await self._hooks.count(hook.id, DEAD)
            return Reject(reason)
        response = await self._poster.post(hook.target, payload)
        if not response.is_success:
            return await self._failed(hook, response)
        self._remember(key)
        self._uncounted[hook.id] += 1
        if self._hooks.health(hook.id).failing_since:
            await self._hooks.change_health(hook.id, Health.recovered)
        return Done()

    async def _payload(self, hook: Hook, recognition: domain_pb2.Recognition, key: str) -> Payload:
        text = ascii_json(document(hook, recognition))
        picture = await self._picture(recognition) if hook.wants_image else None
        return encode(hook, text, key, picture, int(time.time()))

    async def count(self, stop: asyncio.Event) -> None:
        """Write down every second how many were delivered, until `stop` and once more then."""
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await stop.wait()
            counted, self._uncounted = self._uncounted, Counter()
            for hook_id, number in counted.items():
                try:
                    await self._hooks.count(hook_id, DELIVERED, number)
                except (PlatelaneError, NatsError):
                    self._uncounted[hook_id] += number

    async def _failed(self, hook: Hook, response: Response) -> Outcome:
        health = await self._hooks.change_health(hook.id, lambda health: health.after(response))
        if reason := self._hopeless(response, health):
            await self._disable(hook, reason, health)
            return RetryAfter(_DISABLED, reason)
        attempts = REFUSAL_ATTEMPTS if response.status in REFUSALS else self._settings.webhook_attempts
        if attempt() >= attempts:
            await self._hooks.count(hook.id, DEAD)
            return Reject(f"{response} (attempt {attempt()}, {hook.public_target})")
        return RetryAfter(self._pause(response), f"{hook.public_target}: {response}")

    def _hopeless(self, response: Response, health: Health) -> str:
        """Why there is no use in going on; empty while there is."""
        if response.status == GONE:
            return f"The receiver says that it is gone for good ({response})."
        failing = datetime.now(UTC) - health.failing_since if health.failing_since else None
        limit = self._settings.webhook_disable_after
        if failing is None or health.failures < LEAST_FAILURES or failing.total_seconds() < limit:
            return ""
        return f"All {health.failures} requests of the last {_duration(failing.total_seconds())} failed; {response}."

    async def _disable(self, hook: Hook, reason: str, health: Health) -> None:
        first = False

        def disable(current: Hook) -> Hook:
            nonlocal first
            first = current.enabled
            return current.model_copy(update={"enabled": False, "disabled_reason": reason}) if first else current

        disabled = await self._hooks.change(hook.id, disable)
        if first:
            log.error("webhook_disabled", hook=hook.id, target=hook.public_target, reason=reason)
            await self._notify(disabled, health)

    def _pause(self, response: Response) -> float:
        """Seconds until the next attempt: growing, and at least as the receiver asks."""
        return max(self._growing_pause(), min(response.retry_after, LONGEST_WAIT))

    def _growing_pause(self) -> float:
        """Twice as many seconds each time, and never the same for all."""
        return min(self._settings.webhook_retry_limit, 2.0 ** min(attempt() - 1, 30)) * random.uniform(0.8, 1.2)

    async def _picture(self, recognition: domain_pb2.Recognition) -> Picture | None:
        """None where it was not kept: the hook is younger than the picture, or the picture too old."""
        kept = await self._images.get(subjects.image(recognition.id))
        if kept is None:
            return None
        name = safe_name(recognition.filename, f"{recognition.id}.jpg")
        return await asyncio.to_thread(upright, kept.data, name)

    def _remember(self, key: str) -> None:
        self._delivered[key] = None
        if len(self._delivered) > _REMEMBERED:
            del self._delivered[next(iter(self._delivered))]


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
