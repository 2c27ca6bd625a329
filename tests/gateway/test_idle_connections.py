"""Connections on which a request was refused before all of it had arrived."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import Response

from gateway import server
from platelane.runtime.settings import Settings

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
IDLE = 1


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server that refuses everything."""
    monkeypatch.setattr(server, "_IDLE", IDLE)
    stop = asyncio.Event()
    listener = server.bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(Response("no", 403), listener, Settings(drain=0), stop))
    yield listener.getsockname()[1]
    stop.set()
    await serving


@pytest.mark.parametrize("late", [b"", b"1", b"1234567890"])
async def test_a_refused_client_that_falls_silent_is_let_go(port: int, late: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    assert b" 403 " in await reader.readuntil(b"no")
    writer.write(late)
    async with asyncio.timeout(5 * IDLE):
        assert await reader.read() == b""
    writer.close()
