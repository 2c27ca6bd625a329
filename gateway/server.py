"""The HTTP server: uvicorn, with JSON errors for broken requests, a limit on headers, and a graceful stop.

uvicorn has no settings for these, so this leans on internals of its `HttpToolsProtocol`, which is why pyproject.toml
bounds its version: the methods of httptools' callbacks and `data_received`, `send_400_response`,
`_unset_keepalive_if_required` and `timeout_keep_alive_handler`, the attributes `parser`, `cycle`, `scope`, `url`,
`headers`, `transport`, `loop`, `timeout_keep_alive` and `timeout_keep_alive_task`, of a cycle `more_body`,
`response_complete` and `keep_alive`, the constant `STATUS_LINE`; and of `Server` the method `capture_signals`, of
`Config` the attribute `ssl`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final, cast

import httptools
import orjson
import structlog
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from platelane.errors import CannotStart
from platelane.runtime import service, tls
from platelane.runtime.settings import Settings

log = structlog.get_logger(__name__)

HEAD_LIMIT: Final = 64 << 10
"""Bytes of the request line with the headers; also of chunk extensions, and of trailers."""
UNREAD_LIMIT: Final = 64 << 20
"""Bytes of a refused upload that are still received, so that its client can read the answer."""
_IDLE: Final = 65
"""Seconds; longer than clients and proxies keep connections, so that it is they who close them."""
_BACKLOG: Final = 1024
ENDLESS: Final = "endless"
"""In the state of a request whose answer never ends by itself."""
_UPGRADE_HEADERS: Final = (b"connection", b"upgrade", b"http2-settings")


class _OneWrite:
    """A transport that sends what is written in one turn of the loop as one piece.

    uvicorn writes headers and body separately, and there are clients that keep only the last piece they receive.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self.flush)
        self._pending.append(data)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def flush(self) -> None:
        """Send what was written."""
        if self._pending:
            self._transport.write(b"".join(self._pending))
            self._pending.clear()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection."""

    _beside_body = 0
    """Bytes of the head; after it, those since the last of the body, which are extensions of chunks and trailers."""
    _in_head = True
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, _OneWrite(transport, self.loop)))
        # the idle time limits the arrival of every head as well, the first one included
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        self._beside_body += len(data)
        if not self._in_head and not self.cycle.response_complete:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("This is not a valid HTTP request.")
        else:
            if self._in_head and self._beside_body > HEAD_LIMIT:
                self.send_400_response("The request headers are too large.")
            elif self._beside_body > HEAD_LIMIT:
                self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers come here too, and are dropped
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._unset_keepalive_if_required()
            self._in_head, self._beside_body, self._unread = False, 0, 0
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._beside_body = 0
        if self.cycle.response_complete:
            # already refused: receive some more, so that the client can read the answer
            self._unread += len(body)
            if self._unread > UNREAD_LIMIT:
                self.transport.close()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._in_head, self._beside_body = True, 0
            super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has sent all of its request may close its side, and still gets the answer.

        If the answer never ends, this means that the client has disconnected.
        """
        self.transport.flush()  # type: ignore[attr-defined]  # answers that are not written yet
        cycle = self.cycle
        under_way = cycle is not None and not cycle.more_body and not cycle.response_complete
        if not under_way or ENDLESS in self.scope["state"] or self.transport.get_extra_info("sslcontext"):
            return False
        cycle.keep_alive = False
        return True

    def _decline_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its offer, after which httptools would stop reading.

        Java's client offers HTTP/2 with every request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This server is not a proxy.")
            return
        head = [method + b" " + self.url + b" HTTP/1.1"]
        head += [name + b": " + value for name, value in self.headers if name not in _UPGRADE_HEADERS]
        if any(name == b"connection" and b"close" in value.lower() for name, value in self.headers):
            head.append(b"connection: close")
        self.parser = httptools.HttpRequestParser(self)
        self._beside_body = 0
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def send_400_response(self, msg: str) -> None:
        body = orjson.dumps({"detail": msg, "error": msg, "status_code": 400})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: the service runner handles signals."""
        yield


class _ClosingConnections:
    """An application that sends `Connection: close` with every answer once `stop` is set.

    Closing a kept connection without that could lose a request that is on its way.
    """

    def __init__(self, app: ASGIApp, stop: asyncio.Event) -> None:
        self._app = app
        self._stop = stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start" and self._stop.is_set():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_last)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        CannotStart: the address is taken or not local.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotStart(f"The gateway cannot listen on {host}:{port}: {error.strerror}.") from error


async def serve(app: ASGIApp, listener: socket.socket, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `settings.drain` seconds after `stop`; what is in flight then is finished within its deadline.

    Raises:
        CannotStart: the certificate cannot be used.
    """
    config = uvicorn.Config(
        _ClosingConnections(app, stop),
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=max(1, round(settings.deadline)),
    )
    config.load()
    config.ssl = tls.server_context(settings)
    server = _Server(config)

    async def accepts_connections() -> bool:
        return server.started and not stop.is_set()

    service.health.require("serving", accepts_connections)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    host, port = listener.getsockname()[:2]
    scheme = "https" if config.ssl else "http"
    log.info("listening", address=f"{scheme}://{host if ':' not in host else f'[{host}]'}:{port}")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        await asyncio.wait({serving}, timeout=settings.drain)
    server.should_exit = True
    await serving
