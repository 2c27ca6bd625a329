"""The runner of all handlers: pulls messages, maps outcomes and errors to ack, nak and term."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, Self, TypeVar

import structlog
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from platelane.bus import subjects, topology
from platelane.bus.cancellations import Cancellations
from platelane.bus.client import Bus
from platelane.bus.hand_backs import HandBacks
from platelane.bus.message_info import MessageInfo
from platelane.bus.outcomes import Done, Outcome, Postpone, Reject, RetryAfter
from platelane.bus.places import Places
from platelane.bus.pull import Pull
from platelane.bus.topology import Consumer
from platelane.errors import BadImage, PlatelaneError, RequestError, Unavailable, Undecodable
from platelane.pb.v1.stages_pb2 import (
    FAILURE_KIND_BAD_IMAGE,
    FAILURE_KIND_BAD_REQUEST,
    FAILURE_KIND_INTERNAL,
    FAILURE_KIND_UNAVAILABLE,
    DeadLetter,
    Failure,
    FailureKind,
    JobContext,
    Reply,
)
from platelane.runtime import logs, metrics, tracing
from platelane.runtime.clock import jumps

log = structlog.get_logger(__name__)

GRACE: Final = 5.0
"""Seconds that work in flight gets to finish after a stop."""
LONGEST_PAUSE: Final = 60.0
DEATHS: Final = 2
"""After killing this many workers, a job is not given to another one."""
INTERNAL_ERROR: Final = "The photograph could not be processed."


class Wire(Protocol):
    """A type that can be parsed from the bytes of a message, such as every protobuf class."""

    @classmethod
    def FromString(cls, s: bytes, /) -> Self: ...  # noqa: N802


M = TypeVar("M", bound=Wire)


async def fail(bus: Bus, context: JobContext, kind: FailureKind, detail: str) -> None:
    """Tell the caller of a job that it failed."""
    if context.reply_subject:
        await bus.send(context.reply_subject, Reply(job_id=context.id, failure=Failure(kind=kind, detail=detail)))


async def bury(bus: Bus, stream: str, message_id: str, letter: DeadLetter) -> None:
    """Store a message as a dead letter, for an operator."""
    log.error("dead_letter", stream=stream, subject=letter.subject, reason=letter.reason)
    kind = topology.undivided(stream)
    if await bus.publish(subjects.dead(kind), letter, message_id):
        metrics.dead_letter(kind)


def _translate(context: JobContext) -> None:
    """Shift the times of a job by as much as the clock has jumped since, so that its remaining time stays the same."""
    if context.deadline_us and context.accepted_us and (jumped := jumps.since(context.accepted_us / 1e6)):
        log.info("clock_jumped", job=context.id, seconds=round(jumped, 1))
        context.accepted_us += round(jumped * 1e6)
        context.deadline_us += round(jumped * 1e6)


def pause_after(failures: int) -> float:
    """Seconds until a message is tried again after this many unexpected failures of its handler."""
    return min(LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 30))


@dataclass(frozen=True, slots=True)
class _Refused:
    """The job has failed, and its caller has been sent the reason."""

    reason: str


class Worker(Generic[M]):
    """Handles the messages of one consumer, `in_flight` at a time, but at least one from each partition."""

    def __init__(
        self,
        bus: Bus,
        consumer: Consumer,
        message_type: type[M],
        handler: Callable[[M, MessageInfo], Awaitable[Outcome | None]],
        in_flight: int,
        missing: Callable[[], None] | None = None,
        places: Places | None = None,
        *,
        waits: bool = False,
    ) -> None:
        """`missing` as for `Pull`.

        `places`: shared with the worker of another queue. The worker that `waits` starts nothing while the other queue
        has messages.
        """
        self._bus = bus
        self._missing = missing
        self._consumer = consumer
        self._decode = message_type.FromString
        self._handler = handler
        self._slots = in_flight
        self._places = places or Places(in_flight)
        self._waits = waits
        self._attempts = consumer.attempts(bus.settings)
        self._busy: list[Msg] = []
        self._cancelled = Cancellations()
        self._hand_backs = HandBacks(bus)
        self._of_jobs = consumer.stream in topology.JOB_STREAMS
        self._stage = consumer.name if consumer in topology.CONSUMERS else "deliverer"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then finish work in flight for up to `GRACE` seconds, and return the rest."""
        if self._of_jobs:
            await self._bus.subscribe(subjects.CANCELLED, self._cancelled.add)
            metrics.JOBS_EXPIRED.labels(self._stage)  # starts at 0, so that the first one counts as an increase
        metrics.dead_letter(self._consumer.stream, 0)
        if self._consumer in topology.CONSUMERS:
            metrics.watch(self._consumer.name, partial(self._bus.waiting, self._consumer))
        partitions = self._consumer.partitions(self._bus.settings)
        of_each = -(-self._slots // len(partitions))
        pulls = [
            Pull(self._bus, each, self._hand_back, self._missing, eager=not self._waits)
            for each in partitions
            for _ in range(of_each)
        ]
        slots = [asyncio.create_task(self._slot(pull)) for pull in pulls]
        helpers = [asyncio.create_task(self._keep_alive()), asyncio.create_task(stop.wait())]
        try:
            await asyncio.wait((*slots, *helpers), return_when=asyncio.FIRST_COMPLETED)
            self._places.stop()
            for pull in pulls:
                pull.stop()
            await asyncio.wait(slots, timeout=GRACE)
        finally:
            for task in (*slots, *helpers):
                task.cancel()
            await asyncio.wait((*slots, *helpers))
        for slot in slots:
            if not slot.cancelled():
                slot.result()

    async def _slot(self, pull: Pull) -> None:
        async with pull:
            if self._waits:
                await self._work_at_low_priority(pull)
            else:
                while message := await pull.next():
                    with self._places.first():
                        await self._work(message, pull)

    async def _work_at_low_priority(self, pull: Pull) -> None:
        while True:
            async with self._places.second() as free:
                message = await pull.next() if free else None
                if message is None:
                    return
                await self._work(message, pull)

    async def _work(self, message: Msg, pull: Pull) -> None:
        self._busy.append(message)
        try:
            await self._handle(message, pull)
        except asyncio.CancelledError:
            with contextlib.suppress(NatsError):
                await self._hand_back(message)
            raise
        except (PlatelaneError, NatsError) as error:
            log.warning("message_not_settled", subject=message.subject, error=str(error))
            if self._of_jobs:
                await self._hand_backs.count(message)  # another worker gets it after `ack_wait`
        finally:
            self._busy.remove(message)

    async def _handle(self, message: Msg, pull: Pull) -> None:
        try:
            body = self._decode(message.data)
        except (DecodeError, Undecodable, ValueError) as error:
            await self._bury(message, f"undecodable: {error}")
            await self._term(message, "undecodable")
            return
        context = getattr(body, "context", None) or JobContext()
        _translate(context)
        left = context.deadline_us / 1e6 - time.time() if context.deadline_us else None
        with logs.job(context.id), tracing.received(self._stage, message.headers):
            if context.id in self._cancelled or (left is not None and left <= 0):
                self._expired(message)
                await pull.acknowledge(message)
                return
            may_be_deadly = self._of_jobs and message.metadata.num_delivered > DEATHS
            deaths = await self._hand_backs.deaths(message) if may_be_deadly else 0
            if deaths >= DEATHS:
                outcome: Outcome | _Refused = Reject(f"{deaths} workers died while handling it")
            else:
                outcome = await self._outcome(message, body, context, left)
            await self._settle(message, pull, context, outcome)

    async def _outcome(self, message: Msg, body: M, context: JobContext, left: float | None) -> Outcome | _Refused:
        delivered = message.metadata.num_delivered
        info = MessageInfo(message.subject, message.metadata.sequence.stream, delivered)
        limit = asyncio.timeout(left)
        try:
            async with limit:
                with self._cancelled.ending(context.id, limit), metrics.working(self._stage):
                    return await self._handler(body, info) or Done()
        except RequestError as error:
            kind = FAILURE_KIND_BAD_IMAGE if isinstance(error, BadImage) else FAILURE_KIND_BAD_REQUEST
            await fail(self._bus, context, kind, error.detail)
            return _Refused(error.detail)
        except Unavailable as error:
            wait = max(0.1, float(error.retry_after))
            if context.reply_subject and (delivered >= self._attempts or (left is not None and wait > left)):
                await fail(self._bus, context, FAILURE_KIND_UNAVAILABLE, error.detail)
                return _Refused(error.detail)
            return RetryAfter(wait, error.detail)
        except Undecodable as error:
            return Reject(error.detail)
        except Exception as error:
            if limit.expired():
                self._expired(message)
                return Done()
            log.exception("handler_failed", subject=message.subject, attempt=delivered)
            return RetryAfter(pause_after(delivered), f"{type(error).__name__}: {error}")

    async def _settle(self, message: Msg, pull: Pull, context: JobContext, outcome: Outcome | _Refused) -> None:
        match outcome:
            case Done():
                await pull.acknowledge(message)
            case Postpone(seconds):
                await self._hand_back(message, seconds)
            case RetryAfter(seconds, reason):
                log.warning("retry", subject=message.subject, seconds=seconds, reason=reason)
                last = message.metadata.num_delivered >= self._attempts
                await self._hand_back(message, None if last else seconds)
            case _Refused(reason):
                await self._term(message, reason)
            case Reject(reason):
                await self._bury(message, reason)
                await fail(self._bus, context, FAILURE_KIND_INTERNAL, INTERNAL_ERROR)
                await self._term(message, reason)

    async def _hand_back(self, message: Msg, delay: float | None = None) -> None:
        """Return the message to its queue, to be delivered again `delay` seconds from now."""
        if self._of_jobs:
            await self._hand_backs.count(message)
        await message.nak(delay=delay)

    async def _bury(self, message: Msg, reason: str) -> None:
        where = message.metadata
        letter = DeadLetter(subject=message.subject, data=message.data, reason=reason)
        await bury(self._bus, where.stream, f"{where.stream}.{where.sequence.stream}", letter)

    def _expired(self, message: Msg) -> None:
        log.info("job_expired", subject=message.subject)
        metrics.JOBS_EXPIRED.labels(self._stage).inc()

    async def _keep_alive(self) -> None:
        """Tell the server about messages in progress, so that it does not give them to other workers as well."""
        while True:
            await asyncio.sleep(self._bus.settings.ack_wait / 3)
            for message in tuple(self._busy):
                try:
                    await message.in_progress()
                except NatsError as error:
                    log.debug("not_kept_alive", error=str(error))

    async def _term(self, message: Msg, reason: str) -> None:
        """Terminate a message with a reason, which the library's own term() does not support."""
        await self._bus.client.publish(message.reply, Msg.Ack.Term + b" " + reason.encode())
