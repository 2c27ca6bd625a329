"""The core that every edge of the gateway is thin over: a picture goes out as a job, the answer comes back."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from gateway.keeper import Keeper
from gateway.zones import ZoneStore
from platelane import metrics
from platelane.bus import Bus, subjects
from platelane.errors import (
    BadImage,
    BadRequest,
    DeadlineExceeded,
    EngineUnavailable,
    Fault,
    Overloaded,
    PlatelaneError,
)
from platelane.image_header import probe
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.settings import Settings

log = structlog.get_logger(__name__)

_ERRORS: Final[dict[stages_pb2.FailureKind, type[PlatelaneError]]] = {
    stages_pb2.FAILURE_KIND_BAD_IMAGE: BadImage,
    stages_pb2.FAILURE_KIND_BAD_REQUEST: BadRequest,
    stages_pb2.FAILURE_KIND_UNAVAILABLE: EngineUnavailable,
}


@dataclass(frozen=True, slots=True)
class Photograph:
    """What a caller wants read. `image` is encoded; the time is microseconds since 1970 UTC.

    `waited` are the seconds that its caller has waited for it to be fetched; they are part of the deadline.
    """

    image: bytes
    options: domain_pb2.Options
    camera_id: str
    filename: str
    timestamp_us: int
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, and how many calls the account has made this month."""

    recognition: domain_pb2.Recognition
    calls: int


class Recognizer:
    """Sends jobs and waits for their replies on one inbox, for the life of the process."""

    def __init__(self, bus: Bus, zones: ZoneStore, keeper: Keeper, settings: Settings) -> None:
        self._bus = bus
        self._zones = zones
        self._keeper = keeper
        self._settings = settings
        self._inbox = bus.new_inbox()
        self._waiting: dict[str, asyncio.Future[stages_pb2.Reply]] = {}
        self._admitted = 0
        self._left: set[asyncio.Task[None]] = set()
        """Pictures that are still being sent though their callers wait no longer; they keep their places."""

    async def start(self) -> None:
        """Listen for replies; before the first `recognize`."""
        await self._bus.subscribe(self._inbox, self._on_reply)

    @property
    def waiting(self) -> int:
        """Jobs whose replies are still awaited."""
        return len(self._waiting)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold one of the process's places for uploads, from before the picture is received until it is answered.

        Raises:
            Overloaded: all are taken.
        """
        with metrics.working("gateway"):
            if self._admitted + len(self._left) >= self._settings.http_in_flight:
                raise Overloaded("The server is working on as many uploads as it can.")
            self._admitted += 1
            try:
                yield
            finally:
                self._admitted -= 1

    async def recognize(
        self, photograph: Photograph, account: str, patience: float | None = None, *, droppable: bool = False
    ) -> Answer:
        """Have a photograph read; the call is counted on `account`.

        `patience`: seconds, if fewer than the settings' deadline. Cancelling forgets the answer; the job goes on, and
        leads to its event, unless it is `droppable`.

        Raises:
            BadImage, BadRequest: the photograph or the options cannot be used.
            Overloaded: the queue is full.
            EngineUnavailable: NATS or the engine is out of reach.
            DeadlineExceeded: no answer within the deadline.
            Fault: a stage failed.
        """
        accepted = time.time()
        patience = min(self._settings.deadline, math.inf if patience is None else patience)
        deadline = accepted + patience - photograph.waited
        probe(photograph.image, self._settings.pixel_limit)
        photograph.options.excluded.extend(self._zones.excluded(account, photograph.camera_id))
        job_id = new_job_id(accepted)
        context = stages_pb2.JobContext(
            id=job_id,
            deadline_us=round(deadline * 1e6),
            accepted_us=round(accepted * 1e6),
            reply_subject=self._inbox,
            camera_id=photograph.camera_id,
            filename=photograph.filename,
            timestamp_us=photograph.timestamp_us,
            account=account,
        )
        reply = self._waiting[job_id] = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(self._send(context, photograph))
        sending.add_done_callback(self._sent)
        del photograph  # nothing holds the picture while the engine works on it
        try:
            async with asyncio.timeout(deadline - time.time()):
                await (sending if droppable else asyncio.shield(sending))
                return _answer(await reply)
        except TimeoutError:
            log.warning("deadline_exceeded", job=job_id)
            raise DeadlineExceeded(f"The answer was not ready within {patience:g} seconds.") from None
        except asyncio.CancelledError:
            if droppable:
                self._bus.connection.spawn(self._bus.cancel(job_id))
            raise
        finally:
            del self._waiting[job_id]
            if not sending.done():
                self._left.add(sending)

    async def _send(self, context: stages_pb2.JobContext, photograph: Photograph) -> None:
        await self._keeper.keep_if_wanted(context.id, photograph.camera_id, context.account, photograph.image)
        job = stages_pb2.Job(context=context, options=photograph.options, image=photograph.image)
        await self._bus.publish(subjects.DETECT, job, context.id, context.deadline_us / 1e6)

    def _sent(self, sending: asyncio.Task[None]) -> None:
        error = None if sending.cancelled() else sending.exception()
        if error and sending in self._left:  # whoever still waits is told by `recognize`
            log.warning("job_not_sent", error=str(error) or type(error).__name__)
        self._left.discard(sending)

    async def _on_reply(self, data: bytes) -> None:
        try:
            reply = stages_pb2.Reply.FromString(data)
        except DecodeError:
            log.error("undecodable_reply", size=len(data))
            return
        waiting = self._waiting.get(reply.job_id)
        if waiting and not waiting.done():
            waiting.set_result(reply)


def new_job_id(now: float) -> str:
    """32 hex digits that sort by time (milliseconds, then 80 random bits)."""
    return f"{round(now * 1e3):012x}{secrets.token_hex(10)}"


def _answer(reply: stages_pb2.Reply) -> Answer:
    if reply.HasField("recognition"):
        return Answer(reply.recognition, reply.calls)
    raise _ERRORS.get(reply.failure.kind, Fault)(reply.failure.detail)
