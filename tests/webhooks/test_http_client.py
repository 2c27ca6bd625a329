from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from starlette.responses import Response as Answer
from starlette.responses import StreamingResponse

from platelane.webhooks.http_client import WebhookClient, seconds_until
from platelane.webhooks.payload import Payload
from tests.receiver import Received, closed_port, receiving

PAYLOAD = Payload(b"{}", {"Content-Type": "application/json", "X-Test": "yes"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def poster() -> AsyncIterator[WebhookClient]:
    async with WebhookClient(0.5) as poster:
        yield poster


async def test_what_is_sent_and_answered(poster: WebhookClient) -> None:
    async def busy(_: Received) -> Answer:
        return Answer("not\r\n now\x00", status_code=503, headers={"Retry-After": "7"})

    async with receiving(busy) as receiver:
        response = await poster.post(receiver.url.replace("//", "//user:pass@"), PAYLOAD)
    (got,) = receiver.received
    assert (got.body, got.headers["content-type"], got.headers["x-test"]) == (b"{}", "application/json", "yes")
    assert got.headers["authorization"].startswith("Basic ")
    assert (response.status, response.detail, response.retry_after) == (503, "not now", 7.0)
    assert not response.is_success


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_success(poster: WebhookClient, status: int) -> None:
    async def accept(_: Received) -> Answer:
        return Answer(status_code=status)

    async with receiving(accept) as receiver:
        assert (await poster.post(receiver.url, PAYLOAD)).is_success


LOOPBACK = "127.0.0.0/8"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.1", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_a_guarded_request_goes_to_no_private_address(poster: WebhookClient, host: str) -> None:
    async with receiving() as receiver:
        response = await poster.post(receiver.url.replace("127.0.0.1", host), PAYLOAD, guarded=True)
    assert (response.status, receiver.received) == (None, [])
    assert response.detail == "The host has an address that this server may not connect to."


@pytest.mark.parametrize("status", [200, 307, 500])
async def test_a_guarded_request_shows_nothing_of_what_an_allowed_private_address_answers(status: int) -> None:
    async def answer(_: Received) -> Answer:
        return Answer("inside", status_code=status, headers={"Location": "http://10.0.0.1/inside"})

    async with WebhookClient(0.5, [ip_network(LOOPBACK)]) as poster, receiving(answer) as receiver:
        for _ in range(2):  # the second on the connection that was kept
            response = await poster.post(receiver.url, PAYLOAD, guarded=True)
            assert (response.status, response.detail) == (status, "")
    assert [each.body for each in receiver.received] == [b"{}", b"{}"]
    assert {each.headers["x-test"] for each in receiver.received} == {"yes"}


async def test_a_guarded_request_to_nobody_says_so() -> None:
    async with WebhookClient(0.5, [ip_network(LOOPBACK)]) as poster:
        with closed_port() as url:
            response = await poster.post(url, PAYLOAD, guarded=True)
    assert response.status is None
    assert response.detail == "Connection refused"


async def test_endless_answer_is_cut(poster: WebhookClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10_000
            await asyncio.sleep(0.001)

    async def answer(_: Received) -> Answer:
        return StreamingResponse(endless())

    async with receiving(answer) as receiver:
        response = await poster.post(receiver.url, PAYLOAD)
    assert response.is_success
    assert len(response.detail) == 500


@asynccontextmanager
async def saying(head: bytes, *, hangs_up: bool) -> AsyncIterator[str]:
    """The address of a receiver that says this to whoever comes, and then hangs up or says nothing more."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        writer.write(head)
        if not hangs_up:
            await reader.read()  # until the other side does
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize("hangs_up", [True, False])
@pytest.mark.parametrize(("status", "success"), [(b"200 OK", True), (b"503 Busy", False)])
async def test_a_status_holds_however_the_body_ends(
    poster: WebhookClient, status: bytes, success: bool, hangs_up: bool
) -> None:
    head = b"HTTP/1.1 " + status + b"\r\nContent-Length: 10\r\nRetry-After: 7\r\n\r\nha"
    async with saying(head, hangs_up=hangs_up) as url:
        response = await poster.post(url, PAYLOAD)
    assert (response.status, response.is_success) == (int(status[:3]), success)
    assert (response.retry_after, response.detail) == (7.0, "")


async def test_no_receiver_gets_the_cookies_of_another(poster: WebhookClient) -> None:
    async def with_cookie(_: Received) -> Answer:
        return Answer(headers={"Set-Cookie": "known=secret; Path=/"})

    async with receiving(with_cookie) as receiver:
        for _ in range(2):
            await poster.post(receiver.url, PAYLOAD)
    assert ["cookie" in got.headers for got in receiver.received] == [False, False]


async def test_silence_ends_at_the_timeout(poster: WebhookClient) -> None:
    async with saying(b"", hangs_up=False) as url:
        response = await poster.post(url, PAYLOAD)
    assert response.status is None
    assert "0.5 seconds" in response.detail


async def test_dripping_answer_ends_at_the_timeout(poster: WebhookClient) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.1)

    async def answer(_: Received) -> Answer:
        return StreamingResponse(drip())

    async with receiving(answer) as receiver:
        response = await poster.post(receiver.url, PAYLOAD)
    assert response.is_success
    assert response.seconds < 20


async def test_nobody_there(poster: WebhookClient) -> None:
    with closed_port() as url:
        response = await poster.post(url, PAYLOAD)
    assert response.status is None
    assert response.detail == "Connection refused"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("", 0.0),
        ("120", 120.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("Thu, 01 Jan 2026 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2025 00:00:00 GMT", 0.0),
        ("Thu, 99 Foo 2026", 0.0),
    ],
)
def test_retry_after(header: str | None, seconds: float) -> None:
    assert seconds_until(header, NOW) == seconds
