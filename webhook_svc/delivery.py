"""Sends queued events to receivers; the receiver's answer decides what happens to the event and its hook."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from platelane.bus import Done, MessageInfo, Outcome, Postpone, Reject, RetryAfter, subjects
from platelane.bus.streams import Record
from platelane.errors import EngineUnavailable, Overloaded, PlatelaneError
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.clock import jumps
from platelane.runtime.settings import Settings
from platelane.vision.decoders import Decode
from platelane.webhooks.health import HookHealth
from platelane.webhooks.hook import Hook
from platelane.webhooks.matching import texts
from platelane.webhooks.payload import Payload, Queued, ascii_json, document, encode, upload_name
from platelane.webhooks.picture import Picture, upright
from platelane.webhooks.registry import DEAD, DELIVERED, DROPPED
from platelane.webhooks.response import Response
from platelane.webhooks.watchlists import Lists
from webhook_svc.health_tracker import Observer

log = structlog.get_logger(__name__)

GONE: Final = 410
REFUSALS: Final = frozenset({400, 413, 415, 422})
"""The receiver refuses this particular event; a second attempt is made in case it was restarting."""
REFUSAL_ATTEMPTS: Final = 2
LEAST_FAILURES: Final = 5
"""Failures needed before a hook is disabled, however long it has been failing."""
LONGEST_WAIT: Final = 86_400.0
"""The longest pause that a receiver can ask for with Retry-After, in seconds."""
DECODINGS: Final = 2
"""Pictures decoded at once: one of 50 megapixels takes 150 MB while it is rotated."""
_REMEMBERED: Final = 20_000
_DISABLED: Final = 5.0

Notify = Callable[[Hook, HookHealth], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One request for one event."""

    hook: Hook
    delivery: stages_pb2.Delivery
    info: MessageInfo

    @property
    def key(self) -> str:
        return self.hook.key(self.delivery.result.recognition.id)

    @property
    def is_retry(self) -> bool:
        return self.info.subject == subjects.delivery(self.hook.id, subjects.RETRY)

    @property
    def number(self) -> int:
        """Counted from 1. In the retry queue, the event is first delivered before it is due, and its first attempt was
        made from the main queue."""
        return max(2, self.info.attempt) if self.is_retry else self.info.attempt

    @property
    def sequence(self) -> int:
        """The event's number in the main queue."""
        return self.delivery.sequence or self.info.sequence


class Hooks(Protocol):
    """The hooks, and the way to change them; `HookRegistry` is one."""

    def get(self, hook_id: int) -> Hook | None: ...

    async def change(self, hook_id: int, change: Callable[[Hook], Hook]) -> Hook: ...

    async def count(self, hook_id: int, what: str, amount: int = 1, message_id: str = "") -> None: ...


class Poster(Protocol):
    """Makes requests; `WebhookClient` is one."""

    async def post(self, target: str, payload: Payload, *, guarded: bool) -> Response: ...


class RetryQueue(Protocol):
    """Holds events until their next attempt; `Queue` is one."""

    async def retry(self, key: str, delivery: stages_pb2.Delivery, sequence: int, pause: float) -> int: ...


class Images(Protocol):
    """The kept pictures, by subject; `Stream` is one."""

    async def get(self, subject: str) -> Record | None: ...


class DeliveryHandler:
    """Delivers the events of all hooks."""

    def __init__(
        self,
        settings: Settings,
        hooks: Hooks,
        health: Observer,
        client: Poster,
        queue_of: Callable[[int], RetryQueue],
        images: Images,
        notify: Notify,
        decode: Decode,
        lists: Lists | None = None,
    ) -> None:
        self._settings = settings
        self._hooks = hooks
        self._health = health
        self._client = client
        self._queue_of = queue_of
        self._images = images
        self._notify = notify
        self._decode = decode
        self._lists = lists
        self._decodings = asyncio.Semaphore(DECODINGS)
        self._delivered: dict[str, None] = {}

    async def handle(self, hook_id: int, delivery: stages_pb2.Delivery, info: MessageInfo) -> Outcome:
        """Post one event."""
        hook, recognition = self._hooks.get(hook_id), delivery.result.recognition
        if hook is None or not hook.enabled:
            return Postpone(_DISABLED)
        due = delivery.due_us / 1e6
        wait = due + jumps.since(due) - time.time()
        if wait > 0:
            return Postpone(wait)
        attempt = _Attempt(hook, delivery, info)
        if attempt.key in self._delivered:  # delivered before, but NATS was away before that could be recorded
            return await self._done(attempt)
        try:
            payload = await self._payload(attempt)
        except PlatelaneError:
            raise
        except Exception as error:
            log.exception("event_not_written", hook=hook.id, job=recognition.id)
            # retrying would fail in the same way
            return await self._give_up(attempt, f"The event could not be written: {type(error).__name__}: {error}")
        response = await self._client.post(hook.target, payload, guarded=hook.belongs_to_token)
        health = self._health.observe(hook.id, response, with_plate=bool(texts(recognition)))
        if not response.is_success:
            return await self._failed(attempt, response, health)
        self._remember(attempt.key)
        return await self._done(attempt)

    async def _payload(self, attempt: _Attempt) -> Payload:
        hook, recognition = attempt.hook, attempt.delivery.result.recognition
        queued = Queued(attempt.sequence, attempt.delivery.queued_us)
        text = ascii_json(document(hook, recognition, queued, self._lists))
        picture = await self._picture(recognition) if hook.wants_image else None
        return encode(hook, text, attempt.key, picture, int(time.time()))

    async def _done(self, attempt: _Attempt) -> Done:
        """Count before acknowledging, so that every acknowledged event is counted even if a process is killed."""
        await self._count(attempt, DELIVERED)
        return Done()

    async def _count(self, attempt: _Attempt, what: str) -> None:
        # the message id does not use the place in the queue: after an outage, the fan-out may queue an event again
        await self._hooks.count(attempt.hook.id, what, message_id=f"{attempt.key}.{what}")

    async def _failed(self, attempt: _Attempt, response: Response, health: HookHealth) -> Outcome:
        hook = attempt.hook
        if reason := self._reason_to_disable(response, health):
            await self._disable(hook, reason, health)
            return RetryAfter(_DISABLED, reason)
        limit = REFUSAL_ATTEMPTS if response.status in REFUSALS else self._settings.webhook_attempts
        if attempt.number >= limit:
            return await self._give_up(attempt, f"{response} (attempt {attempt.number}, {hook.site})")
        pause, reason = self._pause(response, attempt.number), f"{hook.site}: {response}"
        if hook.ordered or attempt.is_retry:
            return RetryAfter(pause, reason)
        try:
            dropped = await self._queue_of(hook.id).retry(attempt.key, attempt.delivery, attempt.sequence, pause)
        except (Overloaded, EngineUnavailable):
            return RetryAfter(pause, reason)
        if dropped:
            log.warning("events_dropped", hook=hook.id, dropped=dropped)
            await self._hooks.count(hook.id, DROPPED, dropped)
        log.info("event_retried_later", hook=hook.id, seconds=round(pause, 1), reason=reason)
        return Done()

    async def _give_up(self, attempt: _Attempt, reason: str) -> Outcome:
        await self._count(attempt, DEAD)
        return Reject(reason)

    def _reason_to_disable(self, response: Response, health: HookHealth) -> str:
        """Why the hook should be disabled; empty if it should not."""
        if response.status == GONE:
            return f"The receiver says that it is gone for good ({response})."
        failing = datetime.now(UTC) - health.failing_since if health.failing_since else None
        limit = self._settings.webhook_disable_after
        if failing is None or health.failures < LEAST_FAILURES or failing.total_seconds() < limit:
            return ""
        return f"All {health.failures} requests of the last {_duration(failing.total_seconds())} failed; {response}."

    async def _disable(self, hook: Hook, reason: str, health: HookHealth) -> None:
        first = False

        def disable(current: Hook) -> Hook:
            nonlocal first
            first = current.enabled
            return current.model_copy(update={"enabled": False, "disabled_reason": reason}) if first else current

        disabled = await self._hooks.change(hook.id, disable)
        if first:
            log.error("webhook_disabled", hook=hook.id, target=hook.site, reason=reason)
            await self._notify(disabled, health)

    def _pause(self, response: Response, attempt: int) -> float:
        """Seconds until the next attempt: growing, and at least what the receiver asks for."""
        return max(self._backoff(attempt), min(response.retry_after, LONGEST_WAIT))

    def _backoff(self, attempt: int) -> float:
        """Exponential back-off with jitter, in seconds."""
        return min(self._settings.webhook_retry_limit, 2.0 ** min(attempt - 1, 30)) * random.uniform(0.8, 1.2)

    async def _picture(self, recognition: domain_pb2.Recognition) -> Picture | None:
        """None if it was not kept (the hook is newer than the picture) or has expired."""
        async with self._decodings:
            kept = await self._images.get(subjects.image(recognition.id))
            if kept is None:
                return None
            name = upload_name(recognition.filename, f"{recognition.id}.jpg")
            return await asyncio.to_thread(upright, kept.data, name, self._decode)

    def _remember(self, key: str) -> None:
        self._delivered[key] = None
        if len(self._delivered) > _REMEMBERED:
            del self._delivered[next(iter(self._delivered))]


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
