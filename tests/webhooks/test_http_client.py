from __future__ import annotations

import asyncio
import base64
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
    assert response.detail in (
        "The host has an address that this server may not connect to.",
        "the host's name is not valid",  # numbers that are an address only to some resolvers
    )


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


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("", "/"),
        ("?key=a%2Fb%3D&x=1+2", "/?key=a%2Fb%3D&x=1+2"),  # signatures are made over escapes as they are
        ("/a%2fb//c;d=1/@e:f?q=%C3%BC", "/a%2fb//c;d=1/@e:f?q=%C3%BC"),
        ("/für/alle?ort=köln#oben", "/f%C3%BCr/alle?ort=k%C3%B6ln"),
    ],
)
async def test_a_path_arrives_as_it_was_written(poster: WebhookClient, target: str, line: str) -> None:
    lines = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append((await reader.readuntil(b"\r\n")).decode().split(" ")[1])
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await poster.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{target}", PAYLOAD)
    assert lines == [line]


async def test_credentials_of_the_address_go_before_a_header_and_may_have_any_letter(poster: WebhookClient) -> None:
    payload = Payload(b"{}", {"Content-Type": "application/json", "authorization": "Bearer x"})
    async with receiving() as receiver:
        await poster.post(receiver.url.replace("//", "//üser:p%40ß@"), payload)
    (got,) = receiver.received
    assert got.headers["authorization"] == "Basic " + base64.b64encode("üser:p@ß".encode()).decode()


@pytest.mark.parametrize("bare", [False, True])
async def test_proxies_of_the_environment_are_used_except_by_guarded_requests(
    monkeypatch: pytest.MonkeyPatch, *, bare: bool
) -> None:
    async with saying(b"HTTP/1.1 204 No Content\r\n\r\n", hangs_up=True) as proxy:
        monkeypatch.setenv("http_proxy", proxy.removeprefix("http://") if bare else proxy)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with WebhookClient(5.0) as poster:
            assert (await poster.post("http://receiver.invalid/x", PAYLOAD)).is_success
            assert not (await poster.post("http://receiver.invalid/x", PAYLOAD, guarded=True)).is_success
            with closed_port() as url:
                assert not (await poster.post(url, PAYLOAD)).is_success


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\n\n"],
    ids=["HTTP 1.0", "no reason", "bare line feeds"],
)
async def test_answers_of_simple_receivers_count(poster: WebhookClient, head: bytes) -> None:
    async with saying(head, hangs_up=True) as url:
        assert (await poster.post(url, PAYLOAD)).is_success


async def test_a_location_that_is_no_text_can_be_stored(poster: WebhookClient) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /a\xff\xfe\r\nContent-Length: 0\r\n\r\n"
    async with saying(head, hangs_up=True) as url:
        response = await poster.post(url, PAYLOAD)
    assert response.detail == "redirects are not followed: /a"
    assert response.model_dump_json()


async def test_what_is_no_http_says_so(poster: WebhookClient) -> None:
    async with saying(b"220 mail.example ESMTP\r\n", hangs_up=True) as url:
        response = await poster.post(url, PAYLOAD)
    assert response.status is None
    assert response.detail == "the answer is not valid HTTP"


async def test_a_connection_that_is_reset_says_so(poster: WebhookClient) -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        response = await poster.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", PAYLOAD)
    assert (response.status, response.detail) == (None, "the receiver hung up without an answer")


async def test_a_receiver_that_hangs_up_says_so(poster: WebhookClient) -> None:
    async with saying(b"", hangs_up=True) as url:
        response = await poster.post(url, PAYLOAD)
    assert (response.status, response.detail) == (None, "the receiver hung up without an answer")


async def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 12_000
    async with receiving() as receiver, WebhookClient(30.0) as poster:
        assert (await poster.post(receiver.url, Payload(body, PAYLOAD.headers))).is_success
    (got,) = receiver.received
    assert got.body == body
    assert got.headers["content-length"] == str(len(body))


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
