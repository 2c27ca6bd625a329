"""The HTTP server: uvicorn, with JSON answers to broken requests too, a limit on their headers, and a slow goodbye."""

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

from platelane import service, tls
from platelane.errors import CannotStart
from platelane.settings import Settings

log = structlog.get_logger(__name__)

HEAD_LIMIT: Final = 64 << 10
"""Bytes of request line and headers, and of what stands between two pieces of a body or behind the last."""
UNREAD_LIMIT: Final = 64 << 20
"""Bytes of a refused upload that are received for politeness."""
_IDLE: Final = 65
"""Seconds; longer than clients and proxies keep connections, so that they, not we, close them."""
_BACKLOG: Final = 1024
_UPGRADE_HEADERS: Final = (b"connection", b"upgrade", b"http2-settings")


class _OneWrite:
    """A transport that sends in one piece what is written in one turn of the loop.

    uvicorn writes headers and body apart; clients exist that keep only the last piece that reaches them.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
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
        # the time a connection may idle is also the time that a request's head may take, the first one's too
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
            self.send_400_response("This is not an HTTP request.")
        else:
            if self._in_head and self._beside_body > HEAD_LIMIT:
                self.send_400_response("The request's headers are too long.")
            elif self._beside_body > HEAD_LIMIT:
                self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers come here too, and nobody reads them
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
            # refused already; the rest is let pass, so that the client gets to read why, but not for ever
            self._unread += len(body)
            if self._unread > UNREAD_LIMIT:
                self.transport.close()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._in_head, self._beside_body = True, 0
            super().on_message_complete()

    def _decline_upgrade(self, rest: bytes) -> None:
        """Read the request again without its offer, after which the parser leaves the body to the other protocol.

        Java's client offers HTTP/2 with every request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This server is no proxy.")
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
        """Signals are the service runner's business."""
        yield


class _Leaving:
    """An application that, once `stop` is set, asks with every answer for a new connection, which others may get.

    A kept connection that is closed without a word may lose a request that is on its way.
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
        CannotStart: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CannotStart(f"The gateway cannot listen on {host}:{port}: {error.strerror}.") from error


async def serve(app: ASGIApp, listener: socket.socket, settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` and `settings.drain` seconds more; what is being answered then is finished by its deadline.

    Raises:
        CannotStart: the certificate cannot be used.
    """
    config = uvicorn.Config(
        _Leaving(app, stop),
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

    async def taking_connections() -> bool:
        return server.started and not stop.is_set()

    service.health.require("serving", taking_connections)
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
