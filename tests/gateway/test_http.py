"""HTTP on the socket: one write per answer, Expect, chunks, sizes, and invalid requests."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.server import HEAD_LIMIT, UNREAD_LIMIT

from .conftest import PATIENCE, Gateway, NatsServer, digest, running_gateway

LIMIT = 100_000
DATA_SEGMENTS_IN = 152
"""Offset of tcpi_data_segs_in in Linux's struct tcp_info."""


@pytest.fixture(scope="module")
def small(served: NatsServer) -> Iterator[Gateway]:
    """A gateway with a small upload limit and little patience."""
    with running_gateway(served, upload_limit=LIMIT, upload_timeout=1) as gateway:
        yield gateway


@dataclass(frozen=True)
class Answer:
    """An answer as it was received."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A client that writes and reads bytes."""

    def __init__(self, gateway: Gateway) -> None:
        self.socket = socket.create_connection((gateway.host, gateway.port), PATIENCE)
        self._stream = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, body: bool = True) -> Answer:
        status = int(self._stream.readline().split()[1])
        headers = {}
        while (line := self._stream.readline().decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        length = int(headers.get("content-length", 0)) if body else 0
        return Answer(status, headers, self._stream.read(length))

    def ended(self) -> bool:
        return self._stream.read(1) == b""

    def segments(self) -> int:
        """TCP segments with data that have arrived."""
        info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 200)
        count: int = struct.unpack_from("I", info, DATA_SEGMENTS_IN)[0]
        return count


@contextmanager
def connected(gateway: Gateway) -> Iterator[Connection]:
    connection = Connection(gateway)
    try:
        yield connection
    finally:
        connection._stream.close()
        connection.socket.close()


def form(picture: bytes) -> bytes:
    head = b'--xyz\r\nContent-Disposition: form-data; name="upload"; filename="car.jpg"\r\n\r\n'
    return head + picture + b"\r\n--xyz--\r\n"


def request(*headers: str, path: str = "/v1/plate-reader/", method: str = "POST", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *headers, "", ""]
    return "\r\n".join(lines).encode()


TYPE = "Content-Type: multipart/form-data; boundary=xyz"


def whole(picture: bytes, *headers: str) -> bytes:
    body = form(picture)
    return request(TYPE, f"Content-Length: {len(body)}", *headers) + body


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        part = data[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def assert_error(answer: Answer, status: int) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json"), answer
    assert answer.json()["status_code"] == status


def assert_read(answer: Answer, picture: bytes) -> None:
    assert answer.status == 200, answer
    assert answer.json()["results"][0]["plate"] == digest(picture)


def test_each_answer_is_one_segment(gateway: Gateway, picture: bytes) -> None:
    with connected(gateway) as connection:
        requests = [
            (whole(picture), 200),
            (request(method="GET", path="/"), 200),
            (whole(b"no picture"), 400),
            (request(method="GET", path="/nowhere"), 404),
            (request(method="OPTIONS", path="/"), 200),
        ]
        for number, (data, status) in enumerate(requests, 1):
            connection.send(data)
            answer = connection.answer()
            assert answer.status == status
            assert len(answer.body) == int(answer.headers["content-length"])
            assert not {"transfer-encoding", "content-encoding"} & set(answer.headers)
            assert connection.segments() == number


def test_head_has_the_headers_of_get_and_no_body(gateway: Gateway) -> None:
    with connected(gateway) as connection:
        connection.send(request(method="GET", path="/"))
        full = connection.answer()
        connection.send(request(method="HEAD", path="/") + request(method="GET", path="/"))
        head = connection.answer(body=False)
        assert head.headers["content-length"] == str(len(full.body))
        assert connection.answer().body == full.body


def test_expect_100_continue(gateway: Gateway, picture: bytes) -> None:
    body = form(picture)
    with connected(gateway) as connection:
        connection.send(request(TYPE, f"Content-Length: {len(body)}", "Expect: 100-continue"))
        assert connection.answer().status == 100
        connection.send(body)
        assert_read(connection.answer(), picture)


def test_what_is_too_large_is_not_asked_for(small: Gateway) -> None:
    with connected(small) as connection:
        connection.send(request(TYPE, "Content-Length: 9999999", "Expect: 100-continue"))
        assert_error(connection.answer(), 413)


def test_too_large_by_content_length_is_refused_and_the_answer_can_be_read(small: Gateway, picture: bytes) -> None:
    with connected(small) as connection:
        connection.send(whole(os.urandom(20 * LIMIT)))
        assert_error(connection.answer(), 413)
        connection.send(whole(picture))
        assert_read(connection.answer(), picture)


@pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT], ids=["just", "far"])
def test_too_large_in_chunks_is_refused_and_the_answer_can_be_read(small: Gateway, picture: bytes, size: int) -> None:
    upload = picture + bytes(size - len(picture))
    with connected(small) as connection:
        connection.send(request(TYPE, "Transfer-Encoding: chunked"))
        for chunk in chunked(form(upload), 8_192):
            connection.send(chunk)
        assert_error(connection.answer(), 413)
        connection.send(whole(picture))
        assert_read(connection.answer(), picture)


def test_an_endless_upload_is_cut_off(small: Gateway) -> None:
    chunk = b"40000\r\n" + bytes(0x40000) + b"\r\n"
    sent = 0
    with connected(small) as connection:
        connection.send(request(TYPE, "Transfer-Encoding: chunked"))
        with contextlib.suppress(OSError):
            while sent < 4 * UNREAD_LIMIT:
                connection.send(chunk)
                sent += len(chunk)
    assert sent < 2 * UNREAD_LIMIT


@pytest.mark.parametrize("beginning", [b"1\r\nx\r\n1;", b"1\r\nx\r\n0\r\n"], ids=["extension", "trailers"])
def test_endless_text_beside_the_chunks_is_cut_off(gateway: Gateway, beginning: bytes) -> None:
    text = b"X-Trailer: %s\r\n" % (b"x" * 10_000) if beginning.endswith(b"\n") else b"x" * 10_000
    sent = 0
    with connected(gateway) as connection:
        connection.send(request(TYPE, "Transfer-Encoding: chunked") + beginning)
        with contextlib.suppress(OSError):
            while sent < 1_000 * HEAD_LIMIT:
                connection.send(text)
                sent += len(text)
    assert sent < 500 * HEAD_LIMIT  # most of which never left this machine's buffers


def test_trailers_are_no_headers(cloud: Gateway) -> None:
    chunks = b"".join(chunked(b'{"zones": []}', 5)).removesuffix(b"\r\n")
    for headers, trailer, status in (
        ((), "Authorization: Token secret-one", 403),
        (("Authorization: Token secret-one",), "X-Checksum: 5", 200),
    ):
        with connected(cloud) as connection:
            head = request(*headers, "Transfer-Encoding: chunked", path="/v1/zones/gate", method="PUT")
            connection.send(head + chunks + trailer.encode() + b"\r\n\r\n")
            assert connection.answer().status == status


def test_the_limit_is_the_pictures_size_in_every_encoding(small: Gateway, picture: bytes) -> None:
    def length(size: int) -> bytes:
        return picture + bytes(size - len(picture))

    with connected(small) as connection:
        for upload, status in ((length(LIMIT), 200), (length(LIMIT + 1), 413)):
            lines = json.dumps({"upload": base64.encodebytes(upload).decode()}).encode()
            for body, content_type in ((form(upload), TYPE), (lines, "Content-Type: application/json")):
                connection.send(request(content_type, f"Content-Length: {len(body)}") + body)
                assert connection.answer().status == status


@pytest.mark.parametrize("size", [1, 7, 1_000, 65_536])
def test_chunked_uploads(gateway: Gateway, picture: bytes, size: int) -> None:
    with connected(gateway) as connection:
        connection.send(request(TYPE, "Transfer-Encoding: chunked") + b"".join(chunked(form(picture), size)))
        assert_read(connection.answer(), picture)


def test_an_upload_in_small_pieces(gateway: Gateway, picture: bytes) -> None:
    data = whole(picture)
    with connected(gateway) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), 50):
            connection.send(data[start : start + 50])
        assert_read(connection.answer(), picture)


def test_an_upload_that_stalls_is_given_up(small: Gateway, picture: bytes) -> None:
    started = time.monotonic()
    with connected(small) as stalled, connected(small) as other:
        stalled.send(whole(picture)[:-10])
        other.send(whole(picture))
        assert_read(other.answer(), picture)
        assert_error(stalled.answer(), 408)
    assert 0.9 < time.monotonic() - started < 5


def test_many_requests_on_one_connection(gateway: Gateway, picture: bytes) -> None:
    with connected(gateway) as connection:
        for _ in range(20):
            connection.send(whole(picture))
            assert_read(connection.answer(), picture)


def test_pipelined_requests_are_answered_in_order(gateway: Gateway, picture: bytes) -> None:
    with connected(gateway) as connection:
        connection.send(whole(picture) + request(method="GET", path="/") + whole(picture))
        assert_read(connection.answer(), picture)
        assert connection.answer().json()["name"] == "platelane"
        assert_read(connection.answer(), picture)


def test_a_client_that_offers_http_2(gateway: Gateway, picture: bytes) -> None:
    data = whole(picture, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA")
    with connected(gateway) as connection:
        for _ in range(2):
            connection.send(data[:200])
            time.sleep(0.05)
            connection.send(data[200:])
            assert_read(connection.answer(), picture)
        connection.send(whole(picture, "Connection: Upgrade, close", "Upgrade: h2c"))
        assert_read(connection.answer(), picture)
        assert connection.ended()


def test_http_1_0(gateway: Gateway, picture: bytes) -> None:
    body = form(picture)
    with connected(gateway) as connection:
        connection.send(request(TYPE, f"Content-Length: {len(body)}", version="1.0") + body)
        assert_read(connection.answer(), picture)
        assert connection.ended()


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
        "GET /žluť HTTP/1.1\r\n\r\n".encode(),
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_json_error(gateway: Gateway, data: bytes) -> None:
    with connected(gateway) as connection:
        connection.send(data)
        answer = connection.answer()
        assert answer.status in (400, 404, 405)
        assert_error(answer, answer.status)


def test_endless_headers_are_refused(gateway: Gateway) -> None:
    with connected(gateway) as connection:
        connection.send(b"GET / HTTP/1.1\r\n" + b"X-Header: %s\r\n" % (b"x" * 70_000))
        assert_error(connection.answer(), 400)
        assert connection.ended()


def test_long_headers_are_fine(gateway: Gateway, picture: bytes) -> None:
    with connected(gateway) as connection:
        connection.send(whole(picture, "Cookie: " + "x" * 30_000))
        assert_read(connection.answer(), picture)
