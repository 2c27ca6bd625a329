"""Messages that failed too often: stored for an operator, removed from their queue, and their callers notified."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from nats.js.errors import NotFoundError

from platelane.bus import topology
from platelane.bus.client import Bus
from platelane.bus.message_info import MessageInfo
from platelane.bus.worker import INTERNAL_ERROR, Worker, bury, fail
from platelane.errors import Undecodable
from platelane.pb.v1.stages_pb2 import FAILURE_KIND_INTERNAL, DeadLetter, Part
from platelane.runtime import metrics


@dataclass(frozen=True, slots=True)
class Advisory:
    """The server's notice that a message has been delivered as often as its consumer allows."""

    stream: str
    consumer: str
    sequence: int
    deliveries: int

    @classmethod
    def FromString(cls, data: bytes, /) -> Advisory:  # noqa: N802  the name protobuf classes have
        """Read the server's JSON.

        Raises:
            Undecodable: it is not such an advisory.
        """
        try:
            fields = json.loads(data)
            return cls(fields["stream"], fields["consumer"], int(fields["stream_seq"]), int(fields["deliveries"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Undecodable(f"not a max-deliveries advisory: {error!r}") from error


class DeadLetters:
    """Moves exhausted messages of all streams to the DEAD stream; several processes may do so at once."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`."""
        for stream in {consumer.stream for consumer in topology.CONSUMERS}:
            metrics.dead_letter(stream, 0)
        await Worker(self._bus, topology.DEAD_LETTERS, Advisory, self._bury, in_flight=2).run(stop)

    async def _bury(self, advisory: Advisory, _info: MessageInfo) -> None:
        stream, sequence = advisory.stream, advisory.sequence
        whole = topology.undivided(stream)
        try:
            message = await self._bus.client.jsm().get_msg(stream, seq=sequence)
        except NotFoundError:
            return
        data = message.data or b""
        reason = f"{advisory.deliveries} deliveries to {advisory.consumer} failed"
        letter = DeadLetter(subject=message.subject or "", data=data, reason=reason)
        await bury(self._bus, stream, f"{stream}.{sequence}", letter)
        if whole in topology.JOB_STREAMS:
            await self._notify_caller(data)
        if whole in topology.WORK_QUEUES:
            await self._bus.stream(stream).delete(sequence)

    async def _notify_caller(self, data: bytes) -> None:
        try:
            context = Part.FromString(data).context  # the first field of every message of a job; others are skipped
        except DecodeError:
            return
        await fail(self._bus, context, FAILURE_KIND_INTERNAL, INTERNAL_ERROR)
