"""The join: whoever handles a job's last part sees all of them, so no process holds state.

Parts that went through this process are remembered for a moment, only to spare asking the stream for them: where one
is missing here, the stream is asked. Not so for the detection part: it is stored before the others can be, so with
others due it completes nothing.

Two processes may both see the last part. Both then publish the result under one message id and count the call under
one message id; the stream keeps the first of each, and the gateway ignores a second answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

import structlog

from platelane.bus import Bus, current, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from webhook_svc.assembly import assemble

log = structlog.get_logger(__name__)

REMEMBERED: Final = 256
"""Jobs whose parts are remembered."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of any stage, as it came."""

    context: stages_pb2.JobContext
    data: bytes

    @classmethod
    def FromString(cls, data: bytes, /) -> Self:  # noqa: N802  the name protobuf classes have
        """Raises: google.protobuf.message.DecodeError."""
        return cls(stages_pb2.Part.FromString(data).context, data)


class Aggregator:
    """Handles every part of every job."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen: dict[str, dict[str, bytes]] = {}
        self._answering: set[str] = set()

    async def handle(self, part: Part) -> None:
        """Raises: what the bus raises."""
        context = part.context
        recognition = await self._joined(context.id, part.data)
        # where another part's message is being answered on, that one is delivered again should it fail
        if recognition is None or context.id in self._answering:
            return
        self._answering.add(context.id)
        answer = asyncio.create_task(self._answer(context, recognition))
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            # neither the deadline nor a cancelled call comes between what is counted and its event
            await answer
            raise
        finally:
            self._answering.discard(context.id)

    async def _joined(self, job_id: str, data: bytes) -> domain_pb2.Recognition | None:
        delivery = current.delivery()
        stage = delivery.subject.rpartition(".")[2] if delivery else ""
        parts = self._seen.setdefault(job_id, {})
        parts[stage] = data
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        recognition = assemble(parts)
        if recognition is None and stage != subjects.DETECTION:
            recognition = assemble(await self._bus.parts(job_id))
        return recognition

    async def _answer(self, context: stages_pb2.JobContext, recognition: domain_pb2.Recognition) -> None:
        result = stages_pb2.Result(recognition=recognition, account=context.account)
        # first what must survive, then the answer: a caller who got one can rely on its event and on the count
        calls, _ = await asyncio.gather(
            self._bus.count(context.account, _month(context.accepted_us), f"{context.id}.call"),
            self._bus.publish(subjects.result(context.camera_id, context.id), result, f"{context.id}.final"),
        )
        reply = stages_pb2.Reply(job_id=context.id, recognition=recognition, calls=calls)
        await self._bus.send(context.reply_subject, reply)
        await self._bus.forget_parts(context.id)
        self._seen.pop(context.id, None)
        log.info("answered", sightings=len(recognition.sightings), ms=round(recognition.processing_ms, 1))


def _month(microseconds: int) -> str:
    """The month that a call counts in, UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m")
