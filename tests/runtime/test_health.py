from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from platelane.runtime import health
from platelane.runtime.health import HealthPage, Report


@pytest.fixture
def page() -> HealthPage:
    return HealthPage()


@pytest.fixture
async def port(page: HealthPage) -> AsyncIterator[int]:
    server = await page.serve("127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /healthz HTTP/1.1", 200),
        (b"GET /healthz?verbose HTTP/1.1", 200),
        (b"GET /readyz/ HTTP/1.0", 200),
        (b"HEAD /readiness/ HTTP/1.1", 200),
        (b"GET / HTTP/1.1", 404),
        (b"GET /healthz/more HTTP/1.1", 404),
        (b"POST /healthz HTTP/1.1", 405),
        (b"nonsense", 400),
        (b"\xff\x00", 400),
    ],
)
async def test_answers(port: int, request_line: bytes, status: int) -> None:
    answer = await exchange(port, request_line + b"\r\n\r\n")

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert len(body) == (0 if request_line.startswith(b"HEAD") else length)


async def test_endless_request_is_cut_off(port: int) -> None:
    assert await exchange(port, b"GET /" + b"x" * 100_000) == b""


async def test_caller_that_says_nothing_is_let_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REQUEST_PATIENCE", 0.1)

    assert await exchange(port, b"GET /healthz") == b""


async def test_a_check_that_hangs_or_fails_is_not_passed(page: HealthPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_PATIENCE", 0.1)

    async def fine() -> bool:
        return True

    async def hangs() -> bool:
        await asyncio.sleep(60)
        return True

    async def fails() -> bool:
        raise OSError

    page.require("fine", fine)
    page.require("hangs", hangs)
    page.require("fails", fails)

    assert await page.report() == Report(False, {"fine": True, "hangs": False, "fails": False})


async def test_what_is_only_shown_does_not_decide(page: HealthPage) -> None:
    async def fine() -> bool:
        return True

    async def fails() -> bool:
        raise OSError

    page.require("running", fine)
    page.show("nats", fails)

    assert await page.report() == Report(True, {"running": True, "nats": False})
