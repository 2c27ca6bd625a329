"""One connection to NATS per process: publishing, parts, counters, plain messages."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, NoRespondersError, UnexpectedEOF
from nats.js import JetStreamContext
from nats.js.api import Header, PubAck, StatusCode
from nats.js.errors import APIError, NotFoundError

from platelane.bus import current, subjects, topology
from platelane.bus.inbox import Inbox, status
from platelane.errors import EngineUnavailable, Fault, Overloaded, PlatelaneError, UploadTooLarge
from platelane.settings import Settings

T = TypeVar("T")
log = structlog.get_logger(__name__)

CONNECT_PATIENCE: Final = 30.0
"""Seconds that a starting service waits for NATS."""
SEND_PATIENCE: Final = 3.0
"""Seconds that a plain message is offered while nobody listens."""
PARTS_PATIENCE: Final = 5.0
"""Seconds that reading the parts of a job may take."""

_CONFIRM: Final = {"Platelane-Confirm": "yes"}
"""Header of plain messages: the receiver is to answer that it has it. (JetStream answers publishers the same way.)"""
_PENDING_SIZE: Final = 64 << 20
_FULL: Final = frozenset({10002, 10023, 10028, 10047, 10077, 10167})
"""JetStream's error codes for limits: of the stream, of the account, of the machine."""
_IN_PROCESS: Final = 10158
"""A first attempt under the same message id has not come through the cluster yet."""


class Bus:
    """A connection that heals itself: after an outage of NATS everything goes on where it was."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Use `connect`."""
        self.settings = settings
        self.client = client
        self._jetstream: JetStreamContext = client.jetstream(timeout=2)
        self.lost = asyncio.Event()
        """Set when the server has ended the connection for good, as it does for wrong credentials."""
        self._online = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self._inbox = Inbox(client)
        self._problem: Exception | None = None
        self._restoring = False
        self._closing = False
        self._background: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, settings: Settings, name: str, patience: float | None = None) -> Bus:
        """Connect, waiting up to `patience` (or `CONNECT_PATIENCE`) seconds for the server; make streams and consumers.

        Raises:
            EngineUnavailable: no connection in that time.
            Fault: the address cannot be understood, or the server refuses a stream.
        """
        bus = cls(Client(), settings)
        servers = [server.strip() for server in settings.nats_url.split(",") if server.strip()]
        try:
            async with asyncio.timeout(CONNECT_PATIENCE if patience is None else patience):
                await bus.client.connect(
                    servers,
                    name=f"platelane-{name}",
                    error_cb=bus._on_error,
                    disconnected_cb=bus._on_disconnect,
                    reconnected_cb=bus._on_reconnect,
                    closed_cb=bus._on_close,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.2,  # type: ignore[arg-type]
                    connect_timeout=5,
                    ping_interval=10,
                    pending_size=_PENDING_SIZE,
                )
        except TimeoutError:
            await bus.close()
            reason = f": {bus._problem}" if bus._problem else ""
            raise EngineUnavailable(f"NATS cannot be reached at {_public(servers)}{reason}") from None
        except (NatsError, OSError) as error:
            raise Fault(f"NATS cannot be used at {_public(servers)}: {error}") from error
        bus._online.set()
        await bus._inbox.open()
        if bus.client.max_payload < settings.upload_limit:
            log.warning("nats_max_payload_too_small", max_payload=bus.client.max_payload, needed=settings.upload_limit)
        try:
            await topology.ensure_topology(bus._jetstream, settings)
        except (EngineUnavailable, Fault):
            await bus.close()
            raise
        return bus

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
        acknowledgement = await self._store(subject, message.SerializeToString(), {Header.MSG_ID: message_id}, deadline)
        return not acknowledgement.duplicate

    async def send(self, subject: str, message: Message) -> None:
        """Send a plain message to the `subscribe` of another process, and wait until it has arrived there.

        Nothing is stored. But while nobody listens the message is offered again, in the background, for
        `SEND_PATIENCE` seconds: a receiver that reconnects after an outage may come back later than the sender.
        It may arrive twice.

        Raises:
            EngineUnavailable: NATS was away all the time.
        """
        data, until = message.SerializeToString(), time.monotonic() + SEND_PATIENCE
        try:
            await self._deliver(subject, data, until)
        except NoRespondersError:
            self._spawn(self._offer(subject, data, until))

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
                raise Lagging
            return found

        return await self._persist(read, time.time() + PARTS_PATIENCE)

    async def forget_parts(self, job_id: str) -> None:
        """Remove the parts of a job. What cannot be removed now goes by its age."""
        request = json.dumps({"filter": subjects.parts(job_id)}).encode()
        with contextlib.suppress(APIError, EngineUnavailable):
            await self._ask(f"$JS.API.STREAM.PURGE.{topology.PARTS}", request, None, time.time() + 1)

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
            answer = await self._ask(f"$JS.API.STREAM.MSG.GET.{topology.USAGE}", request, None, None)
        except NotFoundError:
            return 0
        except APIError as error:
            raise Fault(f"NATS does not tell the number of calls: {error.description}") from error
        return int(json.loads(base64.b64decode(answer["message"]["data"]))["val"])

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every reconnect."""
        self._listeners.add(listener)

    def off_reconnect(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.discard(listener)

    def restore(self) -> None:
        """Make streams and consumers again, in the background: a server may come back without its files."""
        if not self._restoring:
            self._restoring = True
            self._spawn(self._restore())

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        self._closing = True
        for task in self._background:
            task.cancel()
        with contextlib.suppress(NatsError, OSError):  # the server may be away already
            if self.client.is_connected:
                await self.client.drain()
            else:
                await self.client.close()

    async def _store(self, subject: str, data: bytes, headers: dict[str, str], deadline: float | None) -> PubAck:
        try:
            return PubAck.from_response(await self._ask(subject, data, headers, deadline))
        except APIError as error:
            if error.err_code in _FULL:
                raise Overloaded(f"The queue is full: {error.description}.") from error
            raise Fault(f"NATS refuses a message on {subject}: {error.description}") from error

    async def _ask(
        self, subject: str, data: bytes, headers: dict[str, str] | None, deadline: float | None
    ) -> dict[str, Any]:
        """A request to JetStream, repeated until it is answered; APIError where repeating it is of no use."""

        async def ask(patience: float) -> dict[str, Any]:
            return _content(await self._inbox.request(subject, data, headers, patience))

        return await self._persist(ask, time.time() + self.settings.deadline if deadline is None else deadline)

    async def _persist(self, request: Callable[[float], Awaitable[T]], deadline: float) -> T:
        """The result of `request` (given the seconds it may take), which is repeated until it succeeds."""
        patience, pause = 1.0, 0.02
        problem: Exception | None = None
        while (left := deadline - time.time()) > 0:
            if self.client.is_closed:
                raise EngineUnavailable("The connection to NATS is closed")
            try:
                async with asyncio.timeout(left):
                    await self._online.wait()
                    return await request(patience)
            except MaxPayloadError as error:
                raise UploadTooLarge(self.client.max_payload) from error
            except APIError as error:
                if error.err_code in _FULL or not _passing(error):
                    raise
                problem = error
            except (NatsError, TimeoutError) as error:
                problem = error
            patience *= 2
            await asyncio.sleep(min(pause, max(0.0, deadline - time.time())))
            pause = min(2 * pause, 0.5)
        raise EngineUnavailable("NATS did not answer in time") from problem

    async def _deliver(self, subject: str, data: bytes, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._online.wait()
                    await self._inbox.request(subject, data, _CONFIRM, timeout=1.0)
                    return
            except NoRespondersError:
                raise
            except (NatsError, TimeoutError) as error:
                log.debug("not_delivered_yet", subject=subject, error=str(error) or type(error).__name__)
                await asyncio.sleep(0.02)
        raise EngineUnavailable("NATS does not deliver a message")

    async def _offer(self, subject: str, data: bytes, until: float) -> None:
        while time.monotonic() < until:
            await asyncio.sleep(0.1)
            with contextlib.suppress(NoRespondersError):
                await self._deliver(subject, data, until)
                return
        log.info("nobody_listens", subject=subject)

    async def _last_of_each(self, stream: str, subject: str, patience: float) -> tuple[dict[str, bytes], int]:
        """The last message of each matching subject, by its last token, and the last sequence this replica knows."""
        request = json.dumps({"multi_last": [subject]}).encode()
        *messages, end = await self._inbox.gather(
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
            _content(await self._inbox.request(f"$JS.API.STREAM.MSG.GET.{stream}", request, None, patience))
        except NotFoundError:
            return False
        return True

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(_logged(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _on_error(self, error: Exception) -> None:
        self._problem = error
        level = logging.DEBUG if isinstance(error, OSError | UnexpectedEOF) else logging.WARNING
        log.log(level, "nats_error", error=str(error) or type(error).__name__)

    async def _on_disconnect(self) -> None:
        self._online.clear()
        self._inbox.disconnected()
        if not self.client.is_closed:
            log.warning("nats_disconnected")

    async def _on_close(self) -> None:
        if not self._closing:
            log.error("nats_connection_lost", error=str(self.client.last_error))
            self.lost.set()

    async def _on_reconnect(self) -> None:
        log.info("nats_reconnected")
        self._online.set()
        for listener in tuple(self._listeners):
            listener()
        self.restore()

    async def _restore(self) -> None:
        try:
            await topology.ensure_topology(self._jetstream, self.settings)
        finally:
            self._restoring = False


class Lagging(NatsError):
    """A replica answered that has not heard of the newest messages."""


def _headers(message: Msg) -> dict[str, str]:
    return message.headers or {}


def _content(answer: Msg) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(answer.data)
    if "error" in content:
        raise APIError.from_error(content["error"])
    return content


def _passing(error: APIError) -> bool:
    """Whether the same request may succeed a moment later."""
    return error.err_code == _IN_PROCESS or (error.code or 0) >= 500


async def _logged(work: Coroutine[None, None, None]) -> None:
    try:
        await work
    except (PlatelaneError, NatsError) as error:
        log.error("background_work_failed", error=str(error))


def _public(servers: list[str]) -> str:
    """The addresses without passwords."""
    return ", ".join(re.sub(r"//.*@", "//", server) for server in servers)
