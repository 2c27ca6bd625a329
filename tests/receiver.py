"""A real HTTP receiver of webhooks, which answers as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@dataclass(frozen=True)
class Received:
    """One request: its headers in lower case, its body as it came, and when."""

    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def filename(self) -> str:
        return str(self.document["data"]["filename"])

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


Answer = Callable[[Received], Awaitable[Response]]


async def ok(_: Received) -> Response:
    return Response("thanks")


@dataclass
class Receiver:
    """What has arrived at `url`, in its order."""

    url: str
    answer: Answer = ok
    received: list[Received] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: Request) -> Response:
        got = Received(dict(request.headers), await request.body(), time.monotonic())
        self.received.append(got)
        self._arrived.set()
        return await self.answer(got)

    async def wait(self, count: int, timeout: float = 60.0) -> list[Received]:
        """The first `count` requests, once they are there."""
        try:
            async with asyncio.timeout(timeout):
                while len(self.received) < count:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self.received)} of {count} requests arrived in {timeout:g} s") from None
        return self.received[:count]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


@asynccontextmanager
async def receiving(answer: Answer = ok) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own, in this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/hook", answer)
    app = Starlette(routes=[Route("/hook", receiver.handle, methods=["POST"])])
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=1)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield receiver
    finally:
        server.should_exit = True
        await task
        listener.close()


@contextlib.contextmanager
def closed_port() -> Any:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/hook"
