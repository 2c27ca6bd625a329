"""What all endpoints for photographs share: a photograph goes out as a job, and its answer comes back."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from gateway.accounts import Account, Accounts
from gateway.admission import Admission
from gateway.concurrency_limit import Timing
from gateway.image_retention import ImageRetention
from gateway.intake.photograph import Photograph
from gateway.outcomes import Outcomes
from gateway.storage import Storage
from gateway.unattended import Unattended
from gateway.zones import ZoneStore
from platelane.bus import Bus, subjects, topology
from platelane.errors import (
    BadImage,
    BadRequest,
    DeadlineExceeded,
    EngineUnavailable,
    Fault,
    Overloaded,
    PlatelaneError,
)
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings

log = structlog.get_logger(__name__)

_BULK: Final = 1 / 2
"""The share of the queue that photographs without a waiting caller may fill."""
_LARGE: Final = 8_000_000
"""Bytes from which pictures are sent one at a time."""
_LENGTH_DELIMITED: Final = 2
"""Protobuf's wire type of bytes."""
_ERRORS: Final[dict[stages_pb2.FailureKind, type[PlatelaneError]]] = {
    stages_pb2.FAILURE_KIND_BAD_IMAGE: BadImage,
    stages_pb2.FAILURE_KIND_BAD_REQUEST: BadRequest,
    stages_pb2.FAILURE_KIND_UNAVAILABLE: EngineUnavailable,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read, and how many calls the account has made this month."""

    recognition: domain_pb2.Recognition
    calls: int


class JobClient:
    """Sends jobs and waits for their replies on one inbox, for the life of the process."""

    def __init__(
        self,
        bus: Bus,
        accounts: Accounts,
        zones: ZoneStore,
        images: ImageRetention,
        outcomes: Outcomes,
        settings: Settings,
    ) -> None:
        self.admission: Final = Admission(settings.http_in_flight, settings.deadline)
        """The places of this process; a photograph holds some while it is read."""
        self._bus = bus
        self._accounts = accounts
        self._outcomes = outcomes
        self._zones = zones
        self._images = images
        self._settings = settings
        self._storage = Storage(bus.connection)
        self._inbox = bus.new_inbox()
        self._sending = asyncio.Semaphore(1)
        self._waiting: dict[str, asyncio.Future[stages_pb2.Reply]] = {}
        self._unattended = Unattended(settings.queue_limit)
        outcomes.on_end(self._unattended.ended)

    async def start(self) -> None:
        """Start listening for replies; call it before `recognize`."""
        await self._bus.subscribe(self._inbox, self._on_reply)

    async def stores(self) -> bool:
        """Whether NATS is able to store photographs, as far as is known."""
        return await self._storage.works()

    @property
    def waiting(self) -> int:
        """Jobs whose replies are still awaited."""
        return len(self._waiting)

    async def recognize(
        self, photograph: Photograph, account: Account, patience: float | None = None, *, droppable: bool = False
    ) -> Answer:
        """Have a photograph read; the call is counted on `account`.

        `patience`: seconds to wait, at most the settings' deadline. If this is cancelled, the job still runs and its
        event is published, unless it is `droppable`; the answer is discarded.

        Raises:
            BadImage, BadRequest: a stage cannot use the photograph or its options.
            Forbidden: the account has no calls left.
            Overloaded: the queue is full.
            EngineUnavailable: NATS or the engine cannot be reached, or NATS cannot store the job.
            DeadlineExceeded: no answer within the deadline.
            Fault: a stage failed.
        """
        accepted = time.time()
        patience = min(self._settings.deadline, math.inf if patience is None else patience)
        deadline = accepted + patience - photograph.waited
        call = await self._accounts.begin_call(account, deadline)
        job_id = new_job_id(accepted)
        context = _context(photograph, account.id, job_id, accepted, deadline, self._inbox)
        reply = self._waiting[job_id] = asyncio.get_running_loop().create_future()
        sending = asyncio.create_task(self._send(context, photograph))
        sending.add_done_callback(partial(self._sent, job_id))
        client, timing = photograph.arrival.client if photograph.arrival else "", self.admission.timing(photograph)
        del photograph  # so that the picture is not kept in memory while the engine works on it
        try:
            async with asyncio.timeout(deadline - time.time()):
                await (sending if droppable else asyncio.shield(sending))
                ended = await reply
        except TimeoutError:
            timing.too_late()
            log.warning("deadline_exceeded", job=job_id)
            raise DeadlineExceeded(f"The answer was not ready within {patience:g} seconds.") from None
        except Overloaded:
            await self._accounts.end_call(call)
            raise
        except asyncio.CancelledError:
            if droppable:
                self._bus.connection.spawn(self._bus.cancel(job_id))
            else:
                self.admission.leave(job_id, client, timing, deadline)
            raise
        finally:
            del self._waiting[job_id]
        timing.answered()
        await self._accounts.end_call(call)
        return answer_of(ended)

    async def begin(
        self,
        photograph: Photograph,
        account: Account,
        job_id: str,
        accepted: float,
        seconds: float,
        *,
        bulk: bool = False,
    ) -> None:
        """Send a photograph that is to be read within `seconds`, and return; the result will be in OUTCOMES.

        `bulk`: no caller waits for it, so photographs with waiting callers are read first.

        Raises:
            Forbidden: the account has no calls left; nothing was sent.
            Overloaded: the queue, or the share of it for bulk or for this client, is full; nothing was sent.
            EngineUnavailable: NATS has not confirmed that it has the photograph.
        """
        self._unattended.add(job_id, photograph.arrival.client if photograph.arrival else "", seconds)
        try:
            await self._begin(photograph, account, job_id, accepted, accepted + seconds, bulk)
        except Exception:
            self._unattended.ended(job_id)
            raise

    async def _begin(
        self, photograph: Photograph, account: Account, job_id: str, accepted: float, deadline: float, bulk: bool
    ) -> None:
        call = await self._accounts.begin_call(account, deadline)
        context = _context(photograph, account.id, job_id, accepted, deadline, subjects.outcome(account.id, job_id))
        await self._outcomes.expect(account.id, job_id)
        try:
            async with asyncio.timeout(self._settings.deadline):
                if bulk:
                    await self._check_room(context)
                await self._send(context, photograph, subjects.BULK if bulk else subjects.DETECT)
        except TimeoutError:
            raise EngineUnavailable("NATS did not answer in time.") from None
        except Overloaded:
            await self._outcomes.forget(account.id, job_id)
            await self._accounts.end_call(call)
            raise
        if call:
            self._bus.connection.spawn(self._end_later(call, account.id, job_id, deadline))

    async def _end_later(self, call: int, account: str, job_id: str, deadline: float) -> None:
        with suppress(EngineUnavailable):
            await self._outcomes.wait(account, job_id, deadline)
        await self._accounts.end_call(call)

    async def _check_room(self, context: stages_pb2.JobContext) -> None:
        """Raises Overloaded if bulk jobs may not fill the queue any further; the rest is for callers who wait."""
        name = topology.partitions(topology.JOBS, self._settings)[self._bus.partition_of(context)]
        info = await self._bus.stream(name).info()
        if info is None:
            return
        state, config = info["state"], info["config"]
        for held, limit in ((state["messages"], config["max_msgs"]), (state["bytes"], config["max_bytes"])):
            if held >= limit * _BULK:
                raise Overloaded("The part of the queue for requests with `Prefer: respond-async` is full.")

    async def _send(
        self, context: stages_pb2.JobContext, photograph: Photograph, subject: str = subjects.DETECT
    ) -> None:
        photograph.options.excluded.extend(self._zones.excluded(context.account, photograph.camera_id))
        # large ones one at a time, because each is copied once to be sent
        async with self._sending if len(photograph.image) > _LARGE else nullcontext():
            await self._images.keep_if_wanted(context.id, photograph.camera_id, context.account, photograph.image)
            job = _Job(context, photograph.options, photograph.image)
            await self._storage.store(partial(self._bus.publish_job_message, subject, job), len(photograph.image))

    def _sent(self, job_id: str, sending: asyncio.Task[None]) -> None:
        error = None if sending.cancelled() else sending.exception()
        # if the caller still waits, `recognize` raises the error
        if error and self.admission.end(job_id, Timing.too_late):
            log.warning("job_not_sent", error=str(error) or type(error).__name__)

    async def _on_reply(self, data: bytes) -> None:
        try:
            reply = stages_pb2.Reply.FromString(data)
        except DecodeError:
            log.error("undecodable_reply", size=len(data))
            return
        self.admission.end(reply.job_id, Timing.answered)
        waiting = self._waiting.get(reply.job_id)
        if waiting and not waiting.done():
            waiting.set_result(reply)


@dataclass(frozen=True, slots=True)
class _Job:
    """A `Job` whose image is not copied before it is sent."""

    context: stages_pb2.JobContext
    options: domain_pb2.Options
    image: bytes

    def SerializeToString(self) -> bytes:  # noqa: N802
        """Serialised messages can be concatenated: protobuf merges their fields."""
        number = stages_pb2.Job.IMAGE_FIELD_NUMBER
        rest = stages_pb2.Job(context=self.context, options=self.options).SerializeToString()
        return b"".join((rest, _varint(number << 3 | _LENGTH_DELIMITED), _varint(len(self.image)), self.image))


def _varint(value: int) -> bytes:
    """Protobuf's varint: seven bits per byte, lowest first, and a bit that says whether more bytes follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def new_job_id(now: float) -> str:
    """32 hex digits that sort by time (milliseconds, then 80 random bits)."""
    return f"{round(now * 1e3):012x}{secrets.token_hex(10)}"


def accepted_at(job_id: str) -> float:
    """When a job with an id from `new_job_id` was accepted, in unix seconds."""
    return int(job_id[:12], 16) / 1e3


def _context(
    photograph: Photograph, account: str, job_id: str, accepted: float, deadline: float, reply_subject: str
) -> stages_pb2.JobContext:
    return stages_pb2.JobContext(
        id=job_id,
        deadline_us=round(deadline * 1e6),
        accepted_us=round(accepted * 1e6),
        reply_subject=reply_subject,
        camera_id=photograph.camera_id,
        filename=photograph.filename,
        timestamp_us=photograph.timestamp_us,
        account=account,
    )


def answer_of(reply: stages_pb2.Reply) -> Answer:
    """The answer in a reply. If it is a failure, raises its error, as `JobClient.recognize` does."""
    if reply.HasField("recognition"):
        return Answer(reply.recognition, reply.calls)
    raise _ERRORS.get(reply.failure.kind, Fault)(reply.failure.detail)
