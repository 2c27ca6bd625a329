"""The HTTP server: uvicorn, with JSON answers to broken requests too, and a limit on their headers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import orjson
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from platelane.errors import CannotStart
from platelane.settings import Settings

log = structlog.get_logger(__name__)

HEAD_LIMIT: Final = 64 << 10
"""Bytes of request line and headers."""
_BACKLOG: Final = 1024


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 on one connection.

    Status line, headers and body leave in one write: uvicorn writes twice in one turn of the loop, which uvloop joins.
    """

    _head_size = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("The request's headers are too long.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head_size = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        body = orjson.dumps({"detail": msg, "error": msg, "status_code": 400})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[400] + head + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Java's client offers HTTP/2 with every request; that is nothing to warn about."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the service runner's business."""
        yield


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
    """Serve until `stop`; requests that are being answered then are finished within the deadline."""
    server = _Server(
        uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=max(1, round(settings.deadline)),
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    host, port = listener.getsockname()[:2]
    log.info("listening", address=f"http://{host if ':' not in host else f'[{host}]'}:{port}")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
