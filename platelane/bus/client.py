"""How services communicate: stored messages, plain (core NATS) messages, and access to streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import Header, PubAck
from nats.js.errors import APIError

from platelane.bus import subjects, topology
from platelane.bus.connection import Connection
from platelane.bus.publisher import JobMessage
from platelane.bus.requirements import Requirements
from platelane.bus.streams import Stream, refusal
from platelane.pb.v1.stages_pb2 import JobContext
from platelane.runtime import tracing
from platelane.runtime.settings import Settings

log = structlog.get_logger(__name__)

SEND_PATIENCE: Final = 3.0
"""Seconds for which a plain message is repeated while it has no receiver."""
CONFIRM_PATIENCE: Final = 0.3
"""Seconds that the sender itself waits for the receiver's confirmation."""

_CONFIRM: Final = {"Platelane-Confirm": "yes"}
"""Header of plain messages that asks the receiver for a confirmation, as JetStream confirms stored messages."""


class Bus:
    """A process's access to the bus. After an outage of NATS, everything continues."""

    def __init__(self, connection: Connection, settings: Settings, service: str) -> None:
        """Use `connect`."""
        self.connection = connection
        self.settings = settings
        self.requirements = Requirements(connection, settings, topology.REQUIRED.get(service, ()))
        """The streams and consumers that the service needs; none if the name is not one of our services."""

    @classmethod
    async def connect(cls, settings: Settings, name: str, patience: float | None = None) -> Bus:
        """Connect, waiting for the server. Streams and consumers are not made here: see `requirements`.

        Raises:
            EngineUnavailable, Fault, CannotStart: as `Connection.open`.
        """
        bus = cls(await Connection.open(settings, name, patience), settings, name)
        if bus.client.max_payload < settings.upload_limit:
            log.warning("nats_max_payload_too_small", max_payload=bus.client.max_payload, needed=settings.upload_limit)
        bus.connection.on_reconnect(bus.requirements.recheck)
        return bus

    @property
    def client(self) -> Client:
        """The client library's connection."""
        return self.connection.client

    @property
    def connected(self) -> bool:
        """Whether there is a connection to NATS right now."""
        return self.client.is_connected

    async def publish(
        self, subject: str, message: Message | JobMessage, message_id: str, deadline: float | None = None
    ) -> bool:
        """Store a message in the stream of its subject; retried under the same id until `deadline` (unix seconds).

        Returns:
            False if a message of this id was stored before.

        Raises:
            Overloaded: the stream is full.
            EngineUnavailable: NATS did not confirm in time.
        """
        headers: dict[str, str] = {Header.MSG_ID: message_id, **tracing.headers()}
        end = time.time() + self.settings.deadline if deadline is None else deadline
        try:
            answer = await self.connection.ask(subject, message.SerializeToString(), end, headers)
        except APIError as error:
            raise refusal(subject, error) from error
        return not PubAck.from_response(answer).duplicate

    async def publish_job_message(self, subject: str, message: JobMessage, step: str = "") -> bool:
        """Store a job's message in its camera's partition, retried until the job's deadline; otherwise as `publish`.

        `step` identifies the message within its job; a message of the same job and step is stored only once.
        """
        context = message.context
        message_id = f"{context.id}.{step}" if step else context.id
        deadline = context.deadline_us / 1e6 if context.deadline_us else None
        divided = subjects.in_partition(subject, self.partition_of(context))
        return await self.publish(divided, message, message_id, deadline)

    def partition_of(self, context: JobContext) -> int:
        """The partition that a job belongs to."""
        return topology.partition_of(context.camera_id, context.id, self.settings)

    async def send(self, subject: str, message: Message) -> None:
        """Send a plain message to a `subscribe` in another process, and wait until it has arrived there.

        Nothing is stored. But while there is no subscriber, or it does not confirm, the message is repeated in the
        background for `SEND_PATIENCE` seconds: after an outage, the receiver may reconnect later than the sender, and a
        frozen receiver must not delay messages to others. A message may arrive twice.

        Raises:
            EngineUnavailable: NATS was away all the time.
        """
        data, deadline = message.SerializeToString(), time.time() + SEND_PATIENCE
        try:
            async with asyncio.timeout(CONFIRM_PATIENCE):
                arrived = await self._deliver(subject, data, deadline)
        except TimeoutError:
            arrived = not self.connected and await self._deliver(subject, data, deadline)
        if not arrived:
            self.connection.spawn(self._offer(subject, data, deadline))

    async def subscribe(self, subject: str, handler: Callable[[bytes], Awaitable[None]]) -> None:
        """Call `handler` with every plain message on `subject`, one after another, for the life of the connection.

        Nothing that is sent after this returns is missed.
        """

        async def receive(msg: Msg) -> None:
            if _CONFIRM.keys() <= _headers(msg).keys():
                await self.client.publish(msg.reply)
            try:
                await handler(msg.data)
            except Exception:
                log.exception("subscriber_failed", subject=msg.subject)

        await self.client.subscribe(subject, cb=receive)
        with contextlib.suppress(NatsError):
            await self.client.flush()

    async def cancel(self, job_id: str) -> None:
        """Tell workers to drop a job. Best effort: finished work stays, and nothing happens while NATS is away."""
        with contextlib.suppress(NatsError):
            await self.client.publish(subjects.CANCELLED, job_id.encode())

    def new_inbox(self) -> str:
        """A new subject that is used by nothing else."""
        return self.client.new_inbox()

    def stream(self, name: str, patience: float | None = None) -> Stream:
        """Access to a stream; its methods wait for NATS for `patience` seconds (default: the settings' deadline)."""
        return Stream(self.connection, name, self.settings.deadline if patience is None else patience)

    async def waiting(self, consumer: topology.Consumer) -> tuple[int, int]:
        """The number of messages waiting for a consumer, and of those held by its workers, in all partitions.

        Raises:
            EngineUnavailable: NATS does not answer within a second.
        """
        deadline = time.time() + 1
        partitions = consumer.partitions(self.settings)
        requests = (f"$JS.API.CONSUMER.INFO.{each.stream}.{each.name}" for each in partitions)
        found = await asyncio.gather(*(self.connection.ask(request, b"", deadline) for request in requests))
        return sum(int(info["num_pending"]) for info in found), sum(int(info["num_ack_pending"]) for info in found)

    async def all_streams(self, patience: float) -> list[dict[str, Any]]:
        """Configuration and state of every stream; NATS lists 256 at a time.

        Raises:
            EngineUnavailable: NATS does not answer within `patience` seconds.
        """
        found: list[dict[str, Any]] = []
        end = time.time() + patience
        while True:
            page = await self.connection.ask("$JS.API.STREAM.LIST", json.dumps({"offset": len(found)}).encode(), end)
            streams = page.get("streams") or []
            found += streams
            if not streams or len(found) >= page["total"]:
                return found

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        await self.connection.close()

    async def _deliver(self, subject: str, data: bytes, deadline: float) -> bool:
        """Whether there was a receiver."""

        async def deliver(patience: float) -> bool:
            try:
                await self.connection.inbox.request(subject, data, _CONFIRM | tracing.headers(), patience)
            except NoRespondersError:
                return False
            return True

        return await self.connection.persist(deliver, deadline)

    async def _offer(self, subject: str, data: bytes, deadline: float) -> None:
        while time.time() < deadline:
            await asyncio.sleep(0.1)
            if await self._deliver(subject, data, deadline):
                return
        log.info("no_subscriber", subject=subject)


def _headers(message: Msg) -> dict[str, str]:
    return message.headers or {}
