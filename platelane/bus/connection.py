"""A connection to NATS that reconnects, and requests that are repeated until they are answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Self, TypeVar

import structlog
from nats.aio.client import PING_PROTO, Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError, SecureConnWantedError, UnexpectedEOF
from nats.js.errors import APIError

from platelane.bus.inbox import Inbox
from platelane.bus.transport import LARGE, PiecewiseTransport
from platelane.errors import EngineUnavailable, Fault, PlatelaneError, UploadTooLarge
from platelane.reasons import reason
from platelane.runtime.settings import Settings
from platelane.runtime.tls import nats_context

T = TypeVar("T")
log = structlog.get_logger(__name__)

CONNECT_PATIENCE: Final = 30.0
"""Seconds that a starting service waits for NATS."""
FULL: Final = frozenset({10002, 10023, 10028, 10047, 10077, 10167})
"""JetStream's error codes for limits: of the stream, of the account, of the machine."""

_REFUSAL: Final = re.compile("Authorization Violation|Authentication (Revoked|Expired)")
"""In what a server answers to a user or password that it does not accept."""
_PING_INTERVAL: Final = 2
"""Seconds. After two unanswered pings, the client tries another server, well before a request's deadline. Without pings
it would not notice a server that the network has cut off, because that does not close the connection."""
_QUIET: Final = 2.0
"""Seconds after which a service that is still waiting for NATS logs that."""
_PENDING_SIZE: Final = 128 << 20
_SLOWEST: Final = 16 << 20
"""Assumed bytes a second: larger messages get more time before they are sent again."""
_IN_PROCESS: Final = 10158
"""JetStream's error code while an earlier attempt with the same message id is still being replicated."""


class Connection:
    """One connection to a NATS server or cluster, for the life of a process."""

    def __init__(self) -> None:
        """Use `open`."""
        self.client: Client = _Client()
        self.inbox = Inbox(self.client)
        self.lost = asyncio.Event()
        """Set when the server has ended the connection for good."""
        self.online = asyncio.Event()
        """Set while connected."""
        self._listeners: set[Callable[[], None]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._problem: Exception | None = None
        self._refusals = 0
        self._refused = asyncio.Event()
        """Set when the servers have refused the credentials, before the first connection."""
        self._servers: list[str] = []
        self._closing = False
        self._opened = False

    @classmethod
    async def open(cls, settings: Settings, name: str, patience: float | None = None) -> Self:
        """Connect to one of the settings' servers, waiting up to `patience` seconds, or not at all if they refuse the
        credentials. Services give no `patience`: they wait `CONNECT_PATIENCE` seconds, whatever the problem is.

        Raises:
            EngineUnavailable: no connection in that time.
            Fault: an address cannot be understood.
            CannotStart: a certificate cannot be used.
        """
        connection = cls()
        connection._servers = [url.strip() for url in settings.nats_url.split(",") if url.strip()]
        connecting = asyncio.create_task(connection._connect(settings, name))
        try:
            await connection._wait(connecting, patience)
            if connecting.done():
                connecting.result()
        except (NatsError, OSError) as error:
            raise Fault(f"NATS cannot be used at {_public(connection._servers)}: {reason(error)}.") from error
        finally:
            connected = connecting.done()
            while not connecting.done():  # the library swallows a cancellation if an attempt fails at the same moment
                connecting.cancel()
                await asyncio.wait({connecting}, timeout=0.1)
        if not connected:
            await connection.close()
            raise EngineUnavailable(connection._why_not())
        connection.online.set()
        connection._opened = True
        await connection.inbox.open()
        return connection

    async def _wait(self, connecting: asyncio.Task[None], patience: float | None) -> None:
        """Wait for the first connection, and log why it takes long."""
        refused = asyncio.create_task(self._refused.wait())
        left = CONNECT_PATIENCE if patience is None else patience
        try:
            await asyncio.wait((connecting, refused), timeout=min(left, _QUIET), return_when=asyncio.FIRST_COMPLETED)
            if connecting.done() or left <= _QUIET or (refused.done() and patience is not None):
                return
            log.warning("nats_not_reached_yet", problem=self._why_not())
            waited = (connecting,) if patience is None else (connecting, refused)
            await asyncio.wait(waited, timeout=left - _QUIET, return_when=asyncio.FIRST_COMPLETED)
        finally:
            refused.cancel()

    def _why_not(self) -> str:
        servers, problem = _public(self._servers), reason(self._problem)
        if _REFUSAL.search(problem):
            hint = "Check PLATELANE_NATS_USER and PLATELANE_NATS_PASSWORD."
            return f"NATS at {servers} refuses the user name or password ({problem}). {hint}"
        return f"NATS cannot be reached at {servers}{f': {problem}' if problem else ''}."

    async def _connect(self, settings: Settings, name: str) -> None:
        await self.client.connect(
            self._servers,
            name=f"platelane-{name}",
            user=settings.nats_user or None,
            password=settings.nats_password.get_secret_value() or None,
            tls=nats_context(settings),
            # a user may only listen to inboxes under its own name
            inbox_prefix=f"_INBOX.{settings.nats_user}" if settings.nats_user else "_INBOX",
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnect,
            reconnected_cb=self._on_reconnect,
            closed_cb=self._on_close,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]
            connect_timeout=5,
            ping_interval=_PING_INTERVAL,
            pending_size=_PENDING_SIZE,
        )

    def on_reconnect(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every reconnect."""
        self._listeners.add(listener)

    def off_reconnect(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`."""
        self._listeners.discard(listener)

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` in the background until it ends or the connection is closed."""
        task = asyncio.create_task(_logged(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def ask(
        self, subject: str, data: bytes, deadline: float, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer to a JetStream request, which is repeated until `deadline` (unix seconds).

        Raises:
            APIError: an answer that repeating the request would not change.
            EngineUnavailable, UploadTooLarge: as `persist`.
        """
        transfer = len(data) / _SLOWEST

        async def request(patience: float) -> dict[str, Any]:
            return await self.ask_once(subject, data, patience + transfer, headers)

        return await self.persist(request, deadline)

    async def ask_once(
        self, subject: str, data: bytes, patience: float, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The answer to a JetStream request, given `patience` seconds. Raises as `Inbox.request`, and APIError."""
        answer = await self.inbox.request(subject, data, headers, patience)
        content: dict[str, Any] = json.loads(answer.data)
        if "error" in content:
            raise APIError.from_error(content["error"])
        return content

    async def persist(self, request: Callable[[float], Awaitable[T]], deadline: float) -> T:
        """The result of `request` (given the seconds it may take), repeated until it succeeds or `deadline` comes.

        Raises:
            APIError: an answer that repeating the request would not change.
            UploadTooLarge: the message is larger than the server takes.
            EngineUnavailable: no answer until the deadline.
        """
        patience, pause = 1.0, 0.02
        end = time.monotonic() + deadline - time.time()  # so that a jump of the clock meanwhile has no effect
        problem: Exception | None = None
        try:
            while (left := end - time.monotonic()) > 0:
                if self.client.is_closed:
                    raise EngineUnavailable("The connection to NATS is closed")
                try:
                    async with asyncio.timeout(left):
                        await self.online.wait()
                        return await request(patience)
                except MaxPayloadError as error:
                    raise UploadTooLarge(self.client.max_payload) from error
                except APIError as error:
                    if error.err_code in FULL or not _is_transient(error):
                        raise
                    problem = error
                except (NatsError, TimeoutError) as error:
                    problem = error
                patience *= 2
                await asyncio.sleep(min(pause, max(0.0, end - time.monotonic())))
                pause = min(2 * pause, 0.5)
            raise EngineUnavailable("NATS did not answer in time") from problem
        finally:
            del problem  # its traceback refers to this frame: a cycle that would keep the message alive

    async def close(self) -> None:
        """Send what is pending and disconnect."""
        self._closing = True
        for task in self._background:
            task.cancel()
        # if the server has gone already, the client library writes to a closed transport
        with contextlib.suppress(NatsError, OSError, RuntimeError):
            if self.client.is_connected:
                await self.client.drain()
            else:
                await self.client.close()

    async def _on_error(self, error: Exception) -> None:
        # `open` reports errors before the first connection; later ones recur at every attempt, and are logged once
        known = not self._opened or str(error) == str(self._problem)
        if self._problem is None or not isinstance(error, OSError):
            self._problem = error  # the server's own error is more informative than a closed connection
        if not self._opened and _REFUSAL.search(str(error)):
            self._refusals += 1
            if self._refusals >= len(self._servers):  # of several, another may accept them
                self._refused.set()
        level = logging.DEBUG if known or isinstance(error, OSError | UnexpectedEOF) else logging.WARNING
        log.log(level, "nats_error", error=reason(error))

    async def _on_disconnect(self) -> None:
        self.online.clear()
        self.inbox.disconnected()
        if not self.client.is_closed:
            log.warning("nats_disconnected")

    async def _on_close(self) -> None:
        if not self._closing:
            log.error("nats_connection_lost", error=str(self.client.last_error))
            self.lost.set()

    async def _on_reconnect(self) -> None:
        log.info("nats_reconnected")
        self._problem = None
        self.online.set()
        for listener in tuple(self._listeners):
            listener()


class _Client(Client):
    def __init__(self) -> None:
        super().__init__()
        self._transport = PiecewiseTransport()

    async def _send_publish(
        self, subject: str, reply: str, payload: bytes, payload_size: int, headers: dict[str, Any] | None
    ) -> None:
        """Send large payloads without the four copies that the library would make, which block the event loop."""
        if payload_size < LARGE:
            await super()._send_publish(subject, reply, payload, payload_size, headers)
            return
        # header names may be enumeration members, which an f-string would format as their Python names
        lines = "".join(part for name, value in (headers or {}).items() for part in (name, ": ", value, "\r\n"))
        head = f"NATS/1.0\r\n{lines}\r\n".encode()
        command = f"HPUB {subject} {reply} {len(head)} {len(head) + payload_size}\r\n".encode()
        # appended together, so that nothing else gets between them
        self._pending += [command, head, payload]
        self._pending_data_size += len(command) + len(head) + payload_size
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        await self._send_command(b"\r\n")
        await self._flush_pending()

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        """Queue the PING. The library's overtakes pending data, so `flush` could return before a subscription holds."""
        self._pongs.append(asyncio.get_running_loop().create_future() if future is None else future)
        self._pending.append(PING_PROTO)
        self._pending_data_size += len(PING_PROTO)
        await self._flush_pending()

    def _connect_command(self) -> bytes:
        """Refuse servers without TLS if TLS is required; the library would send them the password."""
        if "tls" in self.options and not self._server_info.get("tls_required"):
            raise SecureConnWantedError
        return super()._connect_command()


def _is_transient(error: APIError) -> bool:
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
