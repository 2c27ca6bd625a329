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
from typing import Any, Final

import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, UnexpectedEOF
from nats.js import JetStreamContext
from nats.js.api import Header, PubAck, StatusCode
from nats.js.errors import APIError, NotFoundError

from platelane.bus import current, subjects, topology
from platelane.bus.inbox import Inbox, status
from platelane.errors import EngineUnavailable, Fault, Overloaded, PlatelaneError, UploadTooLarge
from platelane.settings import Settings

log = structlog.get_logger(__name__)

CONNECT_PATIENCE: Final = 30.0
"""Seconds that a starting service waits for NATS."""
SEND_PATIENCE: Final = 3.0
"""Seconds that a plain message is offered while nobody listens."""
PARTS_PATIENCE: Final = 2.0

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
        self._online = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self._inbox = Inbox(client)
        self._problem: Exception | None = None
        self._restoring = False
        self._background: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(cls, settings: Settings, name: str, patience: float = CONNECT_PATIENCE) -> Bus:
        """Connect, waiting up to `patience` seconds for the server, and make streams and consumers.

        Raises:
            EngineUnavailable: no connection in that time.
            Fault: the address cannot be understood, or the server refuses a stream.
        """
        bus = cls(Client(), settings)
        servers = [server.strip() for server in settings.nats_url.split(",") if server.strip()]
        try:
            async with asyncio.timeout(patience):
                await bus.client.connect(
                    servers,
                    name=f"platelane-{name}",
                    error_cb=bus._on_error,
                    disconnected_cb=bus._on_disconnect,
                    reconnected_cb=bus._on_reconnect,
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
        """Send a plain message to whoever listens.

        Nothing is stored. But while nobody listens it is sent again for `SEND_PATIENCE` seconds, because a receiver
        that reconnects after an outage may come back later than the sender.

        Raises:
            EngineUnavailable: NATS is away and too much is waiting for it.
        """
        until = asyncio.get_running_loop().time() + SEND_PATIENCE
        try:
            await self._send(subject, message.SerializeToString(), until)
        except NatsError as error:
            raise EngineUnavailable("NATS does not take a message") from error

    async def subscribe(self, subject: str, handler: Callable[[bytes], Awaitable[None]]) -> None:
        """Call `handler` with every plain message on `subject`, one after another, for the life of the connection."""

        async def receive(msg: Msg) -> None:
            try:
                await handler(msg.data)
            except Exception:
                log.exception("subscriber_failed", subject=msg.subject)

        await self.client.subscribe(subject, cb=receive)

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
        found: dict[str, bytes] = {}
        try:
            async with asyncio.timeout(PARTS_PATIENCE):
                while True:
                    found, known = await self._last_of_each(topology.PARTS, subjects.parts(job_id))
                    if known >= needed:
                        return found
                    await asyncio.sleep(0.005)
        except (TimeoutError, NatsError) as error:
            raise EngineUnavailable("NATS does not give the parts of a job") from error

    async def forget_parts(self, job_id: str) -> None:
        """Remove the parts of a job. What cannot be removed now goes by its age."""
        with contextlib.suppress(NatsError, TimeoutError):
            await self._jetstream.purge_stream(topology.PARTS, subject=subjects.parts(job_id))

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
            answer = await self._ask(f"$JS.API.STREAM.MSG.GET.{topology.USAGE}", request, {}, None)
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
        for task in self._background:
            task.cancel()
        if self.client.is_connected:
            with contextlib.suppress(NatsError, TimeoutError):
                await self.client.drain()
        if not self.client.is_closed:
            await self.client.close()

    async def _store(self, subject: str, data: bytes, headers: dict[str, str], deadline: float | None) -> PubAck:
        try:
            return PubAck.from_response(await self._ask(subject, data, headers, deadline))
        except APIError as error:
            if error.err_code in _FULL:
                raise Overloaded(f"The queue is full: {error.description}.") from error
            raise Fault(f"NATS refuses a message on {subject}: {error.description}") from error

    async def _ask(self, subject: str, data: bytes, headers: dict[str, str], deadline: float | None) -> dict[str, Any]:
        """A request to JetStream, repeated until it is answered; APIError where repeating it is of no use."""
        end = time.time() + self.settings.deadline if deadline is None else deadline
        patience, pause = 1.0, 0.05
        problem: Exception | None = None
        while (left := end - time.time()) > 0:
            if self.client.is_closed:
                raise EngineUnavailable("The connection to NATS is closed")
            try:
                async with asyncio.timeout(left):
                    await self._online.wait()
                    return _content(await self._inbox.request(subject, data, headers, patience))
            except MaxPayloadError as error:
                raise UploadTooLarge(self.client.max_payload) from error
            except APIError as error:
                if error.err_code in _FULL or not _passing(error):
                    raise
                problem = error
            except (NatsError, TimeoutError) as error:
                problem = error
            patience *= 2
            await asyncio.sleep(min(pause, max(0.0, end - time.time())))
            pause = min(2 * pause, 0.5)
        raise EngineUnavailable("NATS did not answer in time") from problem

    async def _send(self, subject: str, data: bytes, until: float) -> None:
        loop = asyncio.get_running_loop()

        def on_answer(answer: Msg) -> None:
            if status(answer) == StatusCode.SERVICE_UNAVAILABLE and loop.time() < until:
                loop.call_later(0.1, lambda: self._spawn(self._send(subject, data, until)))

        answer_to = self._inbox.expect(on_answer)
        loop.call_later(SEND_PATIENCE, self._inbox.forget, answer_to)
        await self.client.publish(subject, data, reply=answer_to)

    async def _last_of_each(self, stream: str, subject: str) -> tuple[dict[str, bytes], int]:
        """The last message of each matching subject, by its last token, and the last sequence this replica knows."""
        answers: asyncio.Queue[Msg] = asyncio.Queue()
        answer_to = self._inbox.expect(answers.put_nowait)
        request = json.dumps({"multi_last": [subject]}).encode()
        found: dict[str, bytes] = {}
        try:
            await self.client.publish(f"$JS.API.DIRECT.GET.{stream}", request, reply=answer_to)
            while True:
                answer = await answers.get()
                headers = answer.headers or {}
                match status(answer):
                    case None:
                        found[headers["Nats-Subject"].rpartition(".")[2]] = answer.data
                    case "204":  # the end of the batch
                        return found, int(headers["Nats-UpTo-Sequence"])
                    case "404":
                        return {}, 0
                    case problem:
                        raise EngineUnavailable(f"NATS does not give the messages of {stream}: status {problem}")
        finally:
            self._inbox.forget(answer_to)

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
