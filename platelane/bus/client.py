"""What the services say to each other, in their own words: messages, parts, counters."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import Header, PubAck, StatusCode
from nats.js.errors import APIError, NotFoundError

from platelane import tracing
from platelane.bus import current, subjects, topology
from platelane.bus.connection import FULL, Connection
from platelane.bus.inbox import status
from platelane.errors import EngineUnavailable, Fault, Overloaded
from platelane.settings import Settings

log = structlog.get_logger(__name__)

SEND_PATIENCE: Final = 3.0
"""Seconds that a plain message is offered while nobody listens."""
CONFIRM_PATIENCE: Final = 0.3
"""Seconds that the sender itself waits for the receiver to say that it has it."""
PARTS_PATIENCE: Final = 5.0
"""Seconds that reading the parts of a job may take."""

_CONFIRM: Final = {"Platelane-Confirm": "yes"}
"""Header of plain messages: the receiver is to answer that it has it. (JetStream answers publishers the same way.)"""


class Bus:
    """A process's way to all others. After an outage of NATS everything goes on where it was."""

    def __init__(self, connection: Connection, settings: Settings, makes_streams: bool) -> None:
        """Use `connect`."""
        self.connection = connection
        self.settings = settings
        self._makes_streams = makes_streams
        self._restoring = False

    @classmethod
    async def connect(cls, settings: Settings, name: str, patience: float | None = None) -> Bus:
        """Connect, waiting for the server as `Connection.open` does, and make streams and consumers.

        The stages do not make them: they need no more than their queue, and NATS may let them do no more.

        Raises:
            EngineUnavailable: the server cannot be reached in that time.
            Fault: the address cannot be understood, or the server refuses a stream.
            CannotStart: as `Connection.open`.
        """
        bus = cls(await Connection.open(settings, name, patience), settings, name not in topology.STAGES)
        if bus.client.max_payload < settings.upload_limit:
            log.warning("nats_max_payload_too_small", max_payload=bus.client.max_payload, needed=settings.upload_limit)
        try:
            if bus._makes_streams:
                await topology.ensure_topology(bus.client.jsm(timeout=2), settings)
        except (EngineUnavailable, Fault):
            await bus.close()
            raise
        bus.connection.on_reconnect(bus.restore)
        return bus

    @property
    def client(self) -> Client:
        """The client library's connection."""
        return self.connection.client

    @property
    def connected(self) -> bool:
        """Whether NATS is there right now."""
        return self.client.is_connected

    async def publish(self, subject: str, message: Message, message_id: str, deadline: float | None = None) -> bool:
        """Store a message in the stream of its subject; retried under the same id until `deadline` (unix seconds).

        Returns:
            False if a message of this id was stored before.

        Raises:
            Overloaded: the stream is full.
            EngineUnavailable: NATS did not confirm in time.
        """
        headers: dict[str, str] = {Header.MSG_ID: message_id, **tracing.headers()}
        acknowledgement = await self._store(subject, message.SerializeToString(), headers, deadline)
        return not acknowledgement.duplicate

    async def send(self, subject: str, message: Message) -> None:
        """Send a plain message to the `subscribe` of another process, and wait until it has arrived there.

        Nothing is stored. But while nobody listens, or who does says nothing, the message is offered again, in the
        background, for `SEND_PATIENCE` seconds: a receiver that reconnects after an outage may come back later than the
        sender, and one that is frozen must hold up nobody else's messages. It may arrive twice.

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
        # without this pause the client library writes the ping of the flush before the subscription
        await asyncio.sleep(0)
        with contextlib.suppress(NatsError):
            await self.client.flush()

    async def cancel(self, job_id: str) -> None:
        """Have workers drop a job, as far as they have not finished it; nothing happens where they cannot be told."""
        with contextlib.suppress(NatsError):
            await self.client.publish(subjects.CANCELLED, job_id.encode())

    def new_inbox(self) -> str:
        """A subject nobody else uses."""
        return self.client.new_inbox()

    async def parts(self, job_id: str) -> dict[str, bytes]:
        """The parts of a job that are there: stage (last token of the subject) to message.

        Inside a handler of parts the one at hand is among them, even where a replica that lags behind answers first.

        Raises:
            EngineUnavailable: NATS did not answer in `PARTS_PATIENCE` seconds.
        """
        at_hand = current.delivery()
        needed = at_hand.sequence if at_hand and self.settings.nats_replicas > 1 else 0

        async def read(patience: float) -> dict[str, bytes]:
            found, known = await self._last_of_each(topology.PARTS, subjects.parts(job_id), patience)
            if known < needed and (found or await self._is_stored(topology.PARTS, needed, patience)):
                raise _Lagging
            return found

        return await self.connection.persist(read, time.time() + PARTS_PATIENCE)

    async def forget_parts(self, job_id: str) -> None:
        """Remove the parts of a job. What cannot be removed now goes by its age."""
        request = json.dumps({"filter": subjects.parts(job_id)}).encode()
        with contextlib.suppress(APIError, EngineUnavailable):
            await self.connection.ask(f"$JS.API.STREAM.PURGE.{topology.PARTS}", request, time.time() + 1)

    async def count(self, account: str, month: str, message_id: str) -> int:
        """Count one call of an account, exactly once per `message_id`; the total of that month.

        Raises:
            EngineUnavailable, Overloaded: as `publish`.
        """
        headers: dict[str, str] = {Header.MSG_ID: message_id, Header.INCR: "+1"}
        acknowledgement = await self._store(subjects.usage(account, month), b"", headers, None)
        if acknowledgement.duplicate or acknowledgement.val is None:
            return await self.counted(account, month)
        return int(acknowledgement.val)

    async def counted(self, account: str, month: str) -> int:
        """The calls of an account in a month.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        request = json.dumps({"last_by_subj": subjects.usage(account, month)}).encode()
        try:
            answer = await self.connection.ask(
                f"$JS.API.STREAM.MSG.GET.{topology.USAGE}", request, time.time() + self.settings.deadline
            )
        except NotFoundError:
            return 0
        except APIError as error:
            raise Fault(f"NATS does not tell the number of calls: {error.description}") from error
        return int(json.loads(base64.b64decode(answer["message"]["data"]))["val"])

    async def waiting(self, consumer: topology.Consumer) -> tuple[int, int]:
        """Messages that wait for a worker of a consumer, and those that workers have.

        Raises:
            EngineUnavailable: NATS does not answer within a second.
        """
        subject = f"$JS.API.CONSUMER.INFO.{consumer.stream}.{consumer.name}"
        info = await self.connection.ask(subject, b"", time.time() + 1)
        return int(info["num_pending"]), int(info["num_ack_pending"])

    def restore(self) -> None:
        """Make streams and consumers again, in the background: a server may come back without its files."""
        if self._makes_streams and not self._restoring:
            self._restoring = True
            self.connection.spawn(self._restore())

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        await self.connection.close()

    async def _store(self, subject: str, data: bytes, headers: dict[str, str], deadline: float | None) -> PubAck:
        end = time.time() + self.settings.deadline if deadline is None else deadline
        try:
            return PubAck.from_response(await self.connection.ask(subject, data, end, headers))
        except APIError as error:
            if error.err_code in FULL:
                raise Overloaded(f"The queue is full: {error.description}.") from error
            raise Fault(f"NATS refuses a message on {subject}: {error.description}") from error

    async def _deliver(self, subject: str, data: bytes, deadline: float) -> bool:
        """Whether anybody listened."""

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
        log.info("nobody_listens", subject=subject)

    async def _last_of_each(self, stream: str, subject: str, patience: float) -> tuple[dict[str, bytes], int]:
        """The last message of each matching subject, by its last token, and the last sequence this replica knows."""
        request = json.dumps({"multi_last": [subject]}).encode()
        *messages, end = await self.connection.inbox.gather(
            f"$JS.API.DIRECT.GET.{stream}", request, None, patience, lambda answer: status(answer) is not None
        )
        if status(end) == StatusCode.NO_MESSAGES:
            return {}, 0
        found = {_headers(message)["Nats-Subject"].rpartition(".")[2]: message.data for message in messages}
        return found, int(_headers(end)["Nats-UpTo-Sequence"])

    async def _is_stored(self, stream: str, sequence: int, patience: float) -> bool:
        """What the leader says; a replica may lag behind."""
        request = json.dumps({"seq": sequence}).encode()
        try:
            await self.connection.ask_once(f"$JS.API.STREAM.MSG.GET.{stream}", request, patience)
        except NotFoundError:
            return False
        return True

    async def _restore(self) -> None:
        try:
            await topology.ensure_topology(self.client.jsm(timeout=2), self.settings)
        finally:
            self._restoring = False


class _Lagging(NatsError):
    """A replica answered that has not heard of the newest messages."""


def _headers(message: Msg) -> dict[str, str]:
    return message.headers or {}
