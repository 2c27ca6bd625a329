"""Lets an operator list, replay and drop the dead letters in the stream DEAD."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import DecodeError
from nats.js.api import Header

from platelane.bus import subjects, topology
from platelane.bus.client import Bus
from platelane.bus.streams import Record
from platelane.errors import BadRequest, NotFound
from platelane.pb.v1 import stages_pb2

PAGE: Final = 100
_HOOK: Final = "HOOK_"


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that was given up; `number` is its sequence in DEAD, `stream` the stream it came from."""

    number: int
    at: datetime
    stream: str
    subject: str
    reason: str
    data: bytes

    @property
    def context(self) -> stages_pb2.JobContext:
        """The job that it belongs to; empty if it belongs to none."""
        if self.stream not in topology.JOB_STREAMS:
            return stages_pb2.JobContext()
        try:
            return stages_pb2.Part.FromString(self.data).context
        except DecodeError:
            return stages_pb2.JobContext()

    @property
    def body(self) -> bytes:
        """The picture of a job as it was uploaded; of other messages, the message itself."""
        if self.stream == topology.JOBS:
            try:
                return stages_pb2.Job.FromString(self.data).image or self.data
            except DecodeError:
                return self.data
        return self.data


class DeadStore:
    """Every method raises EngineUnavailable if NATS does not answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stream = bus.stream(topology.DEAD)

    async def list(self, stream: str = "*", start: int = 1, limit: int = PAGE) -> list[DeadMessage]:
        """Up to `limit` messages that came from a stream, or from all, oldest first, starting at number `start`."""
        records = await self._stream.read(subjects.dead(stream), start, limit)
        return [_message(record) for record in records]

    async def get(self, number: int) -> DeadMessage:
        """Raises NotFound if there is none with this number."""
        found = await self.list(start=number, limit=1)
        if not found or found[0].number != number:
            raise NotFound(f"There is no dead letter with the number {number}.")
        return found[0]

    async def replay(self, message: DeadMessage, seconds: float) -> None:
        """Put a message back into its stream, and drop it here. A job gets a deadline of `seconds`, and no caller.

        Raises:
            BadRequest: the message cannot be replayed.
        """
        data = message.data
        if message.stream == topology.JOBS:
            data = _with_deadline(data, seconds)
        elif not message.stream.startswith(_HOOK):
            raise BadRequest(
                f"A dead letter from {message.stream} cannot be replayed, because the rest of its job is gone: "
                "send the photo again, and drop the letter."
            )
        headers: dict[str, str] = {Header.MSG_ID: f"replay.{message.number}"}
        await self._bus.stream(message.stream).put(message.subject, data, headers=headers)
        await self.drop(message.number)

    async def drop(self, number: int) -> None:
        """Delete a message; nothing happens if it is gone already."""
        await self._stream.delete(number)


def _message(record: Record) -> DeadMessage:
    letter = stages_pb2.DeadLetter.FromString(record.data)
    at = datetime.fromtimestamp(record.stored, UTC)
    return DeadMessage(record.sequence, at, record.key, letter.subject, letter.reason, letter.data)


def _with_deadline(data: bytes, seconds: float) -> bytes:
    """The same job with a deadline `seconds` from now."""
    try:
        job = stages_pb2.Job.FromString(data)
    except DecodeError as error:
        raise BadRequest("This dead letter is not a job that this version can read.") from error
    job.context.deadline_us = round((time.time() + seconds) * 1e6)
    job.context.reply_subject = subjects.outcome(job.context.account, job.context.id)  # its caller has disconnected
    return job.SerializeToString()
