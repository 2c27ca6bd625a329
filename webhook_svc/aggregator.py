"""The join: whoever handles a job's last part sees all of them, so no process holds state.

Two processes may both see the last part. Both then publish the result under one message id and count the call under
one message id; the stream keeps the first of each, and the gateway ignores a second answer.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from platelane.bus import Bus, subjects
from platelane.pb.v1 import stages_pb2
from webhook_svc.assembly import assemble

log = structlog.get_logger(__name__)


class Aggregator:
    """Handles every part of every job."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def handle(self, part: stages_pb2.Part) -> None:
        context = part.context
        recognition = assemble(await self._bus.parts(context.id))
        if recognition is None:
            return
        result = stages_pb2.Result(recognition=recognition, account=context.account)
        # first what must survive, then the answer: a caller who got one can rely on its event and on the count
        calls, _ = await asyncio.gather(
            self._bus.count(context.account, _month(context.accepted_us), f"{context.id}.call"),
            self._bus.publish(subjects.result(context.camera_id, context.id), result, f"{context.id}.final"),
        )
        reply = stages_pb2.Reply(job_id=context.id, recognition=recognition, calls=calls)
        await self._bus.send(context.reply_subject, reply)
        await self._bus.forget_parts(context.id)
        log.info("answered", sightings=len(recognition.sightings), ms=round(recognition.processing_ms, 1))


def _month(microseconds: int) -> str:
    """The month that a call counts in, UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m")
