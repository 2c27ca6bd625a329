"""The join: the process that handles a job's last part sees all of them, so no process holds state.

Recent parts that went through this process are cached, to save fetching them: only if one is missing here are all of
them fetched from the stream. The detection part never triggers this: it is stored before any other part, so it cannot
complete a job that needs others.

Two processes may both see the last part. Both then publish the result under one message id and count the call under
one message id; the stream keeps the first of each, and the gateway ignores a second answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, Self

import structlog

from aggregator.assembly import assemble
from platelane.bus import MessageInfo, subjects
from platelane.bus.publisher import Replier
from platelane.dscore import Dscore
from platelane.pb.v1 import domain_pb2, stages_pb2

log = structlog.get_logger(__name__)

REMEMBERED: Final = 256
"""Jobs whose parts are remembered."""


@dataclass(frozen=True, slots=True)
class ReceivedPart:
    """A part from any stage, still serialized."""

    context: stages_pb2.JobContext
    data: bytes

    @classmethod
    def FromString(cls, data: bytes, /) -> Self:  # noqa: N802  the name protobuf classes have
        """Raises: google.protobuf.message.DecodeError."""
        return cls(stages_pb2.Part.FromString(data).context, data)


class PartStore(Protocol):
    """The parts of jobs; `platelane.bus.parts.Parts` keeps them in NATS."""

    async def of(self, context: stages_pb2.JobContext, at_hand: int = 0) -> dict[str, bytes]:
        """As `Parts.of`."""
        ...

    async def forget(self, context: stages_pb2.JobContext) -> None:
        """As `Parts.forget`."""
        ...


class Calls(Protocol):
    """Counts calls; `platelane.usage.CallCounter` does it in NATS."""

    async def count(self, account: str, moment: datetime, message_id: str) -> int:
        """As `CallCounter.count`."""
        ...


class Aggregator:
    """Handles every part of every job."""

    def __init__(self, bus: Replier, parts: PartStore, calls: Calls, dscore: Dscore) -> None:
        self._bus = bus
        self._parts = parts
        self._calls = calls
        self._dscore = dscore
        self._seen: dict[str, dict[str, bytes]] = {}
        self._answering: set[str] = set()

    async def handle(self, part: ReceivedPart, info: MessageInfo) -> None:
        """Raises: what the bus raises."""
        context = part.context
        recognition = await self._joined(context, part.data, info)
        # if another part's message is already leading to an answer, that message is redelivered if answering fails
        if recognition is None or context.id in self._answering:
            return
        self._answering.add(context.id)
        answer = asyncio.create_task(self._answer(context, recognition))
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            # neither a deadline nor a cancellation may come between the count and its event
            await answer
            raise
        finally:
            self._answering.discard(context.id)

    async def _joined(
        self, context: stages_pb2.JobContext, data: bytes, info: MessageInfo
    ) -> domain_pb2.Recognition | None:
        stage = subjects.stage_of(info.subject)
        parts = self._seen.setdefault(context.id, {})
        parts[stage] = data
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        recognition = assemble(parts, self._dscore)
        if recognition is None and stage != subjects.DETECTION:
            recognition = assemble(await self._parts.of(context, info.sequence), self._dscore)
        return recognition

    async def _answer(self, context: stages_pb2.JobContext, recognition: domain_pb2.Recognition) -> None:
        accepted = datetime.fromtimestamp(context.accepted_us / 1e6, UTC)
        result = stages_pb2.Result(recognition=recognition, account=context.account)
        # store first, then answer: a caller who has an answer can rely on its event and its count
        calls, _ = await asyncio.gather(
            self._calls.count(context.account, accepted, f"{context.id}.call"),
            self._bus.publish(subjects.result(context.camera_id, context.id), result, f"{context.id}.final"),
        )
        reply = stages_pb2.Reply(job_id=context.id, recognition=recognition, calls=calls)
        await self._bus.send(context.reply_subject, reply)
        await self._parts.forget(context)
        self._seen.pop(context.id, None)
        log.info("answered", sightings=len(recognition.sightings), ms=round(recognition.processing_ms, 1))
