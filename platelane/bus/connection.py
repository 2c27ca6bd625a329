"""One connection to NATS per process: publishing, parts, counters, plain messages."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, ConnectionDrainingError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import Header, PubAck
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from platelane.bus import subjects, topology
from platelane.errors import EngineUnavailable, Fault, Overloaded, UploadTooLarge
from platelane.settings import Settings

log = structlog.get_logger(__name__)

CONNECT_PATIENCE: Final = 30.0
"""Seconds that a starting service waits for NATS."""

_PENDING_SIZE: Final = 64 << 20
_FULL: Final = frozenset({10002, 10023, 10028, 10047, 10054, 10077, 10120, 10122, 10167})
"""JetStream's error codes for limits: of the stream, of the account, of the machine."""
_NO_PARTS: Final = "404"
_END_OF_BATCH: Final = "204"


class Bus:
    """A connection that heals itself: after an outage of NATS everything goes on where it was."""

    def __init__(self, client: Client, settings: Settings) -> None:
        """Use `connect`."""
        self.settings = settings
        self.client = client
        self._jetstream: JetStreamContext = client.jetstream()
        self._online = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()
        self._collectors: dict[str, asyncio.Queue[Msg]] = {}
        self._collector_inbox = client.new_inbox()
        self._restoring: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, settings: Settings, name: str, patience: float = CONNECT_PATIENCE) -> Bus:
        """Connect, waiting up to `patience` seconds for the server, and make streams and consumers.

        Raises:
            EngineUnavailable: no connection in that time.
            Fault: the address cannot be understood, or the server refuses a stream.
        """
        bus = cls(Client(), settings)
        problems: list[Exception] = []

        async def note(error: Exception) -> None:
            problems.append(error)
            log.debug("nats_error", error=str(error) or type(error).__name__)

        servers = [server.strip() for server in settings.nats_url.split(",") if server.strip()]
        try:
            async with asyncio.timeout(patience):
                await bus.client.connect(
                    servers,
                    name=f"platelane-{name}",
                    error_cb=note,
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
            reason = f": {problems[-1]}" if problems else ""
            raise EngineUnavailable(f"NATS cannot be reached at {_public(servers)}{reason}") from None
        except (NatsError, OSError) as error:
            raise Fault(f"NATS cannot be used at {_public(servers)}: {error}") from error
        bus._online.set()
        await bus.client.subscribe(f"{bus._collector_inbox}.*", cb=bus._collect)
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
        """Send a plain message: whoever listens now gets it."""
        await self.client.publish(subject, message.SerializeToString())

    async def subscribe(self, subject: str, handler: Callable[[bytes], Awaitable[None]]) -> None:
        """Call `handler` with every plain message on `subject`, one after another, for the life of the connection."""

        async def receive(msg: Msg) -> None:
            await handler(msg.data)

        await self.client.subscribe(subject, cb=receive)

    def new_inbox(self) -> str:
        """A subject nobody else uses."""
        return self.client.new_inbox()

    async def parts(self, job_id: str, timeout: float = 2.0) -> dict[str, bytes]:
        """The parts of a job that are there: stage (last token of the subject) to message.

        Raises:
            EngineUnavailable: NATS did not answer in `timeout` seconds.
        """
        token = self.client.new_inbox().rpartition(".")[2]
        replies: asyncio.Queue[Msg] = asyncio.Queue()
        self._collectors[token] = replies
        found: dict[str, bytes] = {}
        try:
            async with asyncio.timeout(timeout):
                await self.client.publish(
                    f"$JS.API.DIRECT.GET.{topology.PARTS}",
                    json.dumps({"multi_last": [subjects.parts(job_id)]}).encode(),
                    reply=f"{self._collector_inbox}.{token}",
                )
                while True:
                    reply = await replies.get()
                    headers = reply.headers or {}
                    status = headers.get(Header.STATUS)
                    if status is None:
                        found[headers["Nats-Subject"].rpartition(".")[2]] = reply.data
                    elif status in (_END_OF_BATCH, _NO_PARTS):
                        return found
                    else:
                        raise EngineUnavailable(f"NATS does not give the parts of a job: status {status}")
        except (TimeoutError, NatsError) as error:
            raise EngineUnavailable("NATS does not give the parts of a job") from error
        finally:
            del self._collectors[token]

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
        try:
            last = await self._jetstream.get_last_msg(topology.USAGE, subjects.usage(account, month))
        except NotFoundError:
            return 0
        except NatsError as error:
            raise EngineUnavailable("NATS does not tell the number of calls") from error
        return int(json.loads(last.data or b"{}").get("val", 0))

    async def online(self) -> None:
        """Wait until NATS is connected."""
        await self._online.wait()

    def on_reconnect(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every reconnect; returns the function that ends it."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        if self._restoring is not None:
            self._restoring.cancel()
        if self.client.is_connected:
            with contextlib.suppress(NatsError, TimeoutError):
                await self.client.drain()
        if not self.client.is_closed:
            await self.client.close()

    async def _store(self, subject: str, data: bytes, headers: dict[str, str], deadline: float | None) -> PubAck:
        end = time.time() + self.settings.deadline if deadline is None else deadline
        patience, pause = 1.0, 0.05
        problem: Exception | None = None
        while (left := end - time.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self.online()
                    return await self._jetstream.publish(subject, data, timeout=patience, headers=headers)
            except APIError as error:
                if error.err_code in _FULL:
                    raise Overloaded(f"The queue is full: {error.description}.") from error
                if not isinstance(error, ServiceUnavailableError):
                    raise Fault(f"NATS refuses a message on {subject}: {error.description}") from error
                problem = error
            except MaxPayloadError as error:
                raise UploadTooLarge(self.client.max_payload) from error
            except (ConnectionClosedError, ConnectionDrainingError) as error:
                raise EngineUnavailable("The connection to NATS is closed") from error
            except (NatsError, TimeoutError) as error:
                problem = error
            patience *= 2
            await asyncio.sleep(min(pause, max(0.0, end - time.time())))
            pause = min(2 * pause, 0.5)
        raise EngineUnavailable("NATS did not take a message in time") from problem

    async def _collect(self, msg: Msg) -> None:
        if collector := self._collectors.get(msg.subject.rpartition(".")[2]):
            collector.put_nowait(msg)

    async def _on_disconnect(self) -> None:
        self._online.clear()
        if not self.client.is_closed:
            log.warning("nats_disconnected")

    async def _on_reconnect(self) -> None:
        log.info("nats_reconnected")
        self._online.set()
        for listener in tuple(self._listeners):
            listener()
        self._restoring = asyncio.create_task(self._restore())

    async def _restore(self) -> None:
        """A server that comes back without its files gets streams and consumers again."""
        try:
            await topology.ensure_topology(self._jetstream, self.settings)
        except (EngineUnavailable, Fault) as error:
            log.error("topology_not_restored", error=error.detail)


def _public(servers: list[str]) -> str:
    """The addresses without passwords."""
    return ", ".join(re.sub(r"//.*@", "//", server) for server in servers)
