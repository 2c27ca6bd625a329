"""`upload_url`: what is fetched, and that no way into the local network is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from gateway.intake.url_fetcher import UrlFetcher
from platelane.errors import BadRequest, UploadTooLarge
from platelane.runtime.guarded_network import resolve
from platelane.runtime.settings import Settings
from tests.support import free_port

from .conftest import Gateway, NatsServer, digest, running_gateway

PATH = "/v1/plate-reader/"
OPEN = "127.0.0.2"
"""The address that the tests' servers may be fetched from; 127.0.0.1 is as forbidden as ever."""

Reply = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


class Server:
    """A real server on both addresses, which counts who connects."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.port = 0
        self.requests: list[str] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            await self._reply(writer, head.split()[1])
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(reply: Reply, hosts: Sequence[str] = (OPEN, "127.0.0.1")) -> AsyncIterator[Server]:
    server = Server(reply)
    server.port = free_port()
    listening = [await asyncio.start_server(server.handle, host, server.port) for host in hosts]
    try:
        yield server
    finally:
        for each in listening:
            each.close()


def fetcher(resolve: Callable[[str, int], Awaitable[Sequence[str]]] = resolve, **changes: object) -> UrlFetcher:
    settings = {"fetch_networks": f"{OPEN}/32", "fetch_timeout": 1.0, "upload_limit": 100_000, **changes}
    return UrlFetcher(Settings.model_validate(settings), resolve)


def picture_reply(body: bytes, head: str = "") -> Reply:
    async def reply(writer: asyncio.StreamWriter, _: str) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body)
        await writer.drain()

    return reply


def redirecting_to(address: str, status: int = 302) -> Reply:
    async def reply(writer: asyncio.StreamWriter, _: str) -> None:
        writer.write(f"HTTP/1.1 {status} Moved\r\nLocation: {address}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    return reply


async def test_the_bytes_and_the_name_of_a_picture(picture: bytes) -> None:
    async with serving(picture_reply(picture)) as server:
        address = f"http://{OPEN}:{server.port}/photos/my%20car.jpg?size=large&x=1"
        assert await fetcher().fetch(address) == (picture, "my car.jpg")
    [head] = server.requests
    assert head.startswith("GET /photos/my%20car.jpg?size=large&x=1 HTTP/1.1\r\n")
    assert f"host: {OPEN}:{server.port}" in head.lower()
    assert "authorization" not in head.lower()
    assert "cookie" not in head.lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(picture: bytes, status: int) -> None:
    async def reply(writer: asyncio.StreamWriter, path: str) -> None:
        await (picture_reply(picture) if path == "/there" else redirecting_to("/there", status))(writer, path)

    async with serving(reply) as server:
        assert await fetcher().fetch(f"http://{OPEN}:{server.port}/here") == (picture, "there")


async def test_redirects_end() -> None:
    async with serving(redirecting_to("/again")) as server:
        with pytest.raises(BadRequest, match="redirects too many times"):
            await fetcher().fetch(f"http://{OPEN}:{server.port}/")
    assert server.connections == 4


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "//127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://user:secret@127.0.0.2:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://127.0.0.2:{port}/",
        "http://[",
    ],
)
async def test_a_redirect_is_judged_like_an_address(target: str) -> None:
    async with serving(picture_reply(b"secret")) as inner:
        async with serving(redirecting_to(target.format(port=inner.port))) as outer:
            with pytest.raises(BadRequest):
                await fetcher().fetch(f"http://{OPEN}:{outer.port}/")
        assert outer.connections == 1
    assert inner.connections == 0


TRICKS = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}%23@example.com/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    "http://\t127.0.0.1:{port}/",
    "http://127.0.0.1\r\n:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: example.com",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/opc/v1/instance/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://8.8.8.8:25/",
    "http://8.8.8.8:22/",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:{port}/_GET",
    "dict://127.0.0.1:{port}/",
    "data:image/jpeg;base64,AAAA",
    "javascript:alert(1)",
    "unix:///run/docker.sock",
    "http://",
    "http://:{port}/",
    "http://[",
    "http://[::1",
    "http://127.0.0.1:port/",
    "http://127.0.0.1:99999/",
    "http://" + "a" * 80 + ".com/",
    "http://a..b/",
    "https://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/" + "a" * 3_000,
]


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_trick_reaches_the_own_machine(trick: str) -> None:
    async with serving(picture_reply(b"secret"), ["127.0.0.1"]) as server:
        with pytest.raises(BadRequest):
            await fetcher(fetch_networks="").fetch(trick.format(port=server.port))
    assert server.connections == 0


def test_the_api_refuses_every_trick_in_every_encoding(gateway: Gateway, client: httpx.Client) -> None:
    for trick in TRICKS:
        address = trick.format(port=gateway.port)
        fields = {"upload_url": address}
        for response in (client.post(PATH, data=fields), client.post(PATH, json=fields)):
            assert response.status_code == 400, trick
            assert response.json()["status_code"] == 400


async def test_a_name_that_changes_its_address_is_looked_up_once(picture: bytes) -> None:
    """DNS rebinding: harmless when it is checked, ours when it is used."""
    answers = [[OPEN], ["127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers.pop(0)

    async with serving(picture_reply(picture), [OPEN]) as server:
        address = f"http://rebinding.example:{server.port}/"
        assert (await fetcher(rebinding).fetch(address))[0] == picture
        assert asked == ["rebinding.example"]
        with pytest.raises(BadRequest, match="may not fetch"):
            await fetcher(rebinding).fetch(address)
    assert server.connections == 1
    assert f"host: rebinding.example:{server.port}" in server.requests[0].lower()


async def test_a_name_that_changes_its_address_between_redirects() -> None:
    answers = [[OPEN], ["127.0.0.1"]]

    async def rebinding(_host: str, _port: int) -> list[str]:
        return answers.pop(0)

    async with serving(redirecting_to("/again")) as server:
        with pytest.raises(BadRequest, match="may not fetch"):
            await fetcher(rebinding).fetch(f"http://rebinding.example:{server.port}/")
    assert server.connections == 1


async def test_one_inner_address_among_public_ones_is_one_too_many() -> None:
    async def both(_host: str, _port: int) -> list[str]:
        return [OPEN, "127.0.0.1"]

    async with serving(picture_reply(b"secret")) as server:
        with pytest.raises(BadRequest, match="may not fetch"):
            await fetcher(both).fetch(f"http://both.example:{server.port}/")
    assert server.connections == 0


async def endless_body(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(bytes(10_000))
        await writer.drain()


async def slow_body(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def slow_head(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def endless_head(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: " + b"y" * 1_000 + b"\r\n")
        await writer.drain()


async def silence(writer: asyncio.StreamWriter, _: str) -> None:
    await asyncio.sleep(5)
    writer.close()


async def no_http(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()


async def cut_off(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    await writer.drain()


async def missing(writer: asyncio.StreamWriter, _: str) -> None:
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (endless_body, UploadTooLarge),
        (slow_body, BadRequest),
        (slow_head, BadRequest),
        (endless_head, BadRequest),
        (silence, BadRequest),
        (no_http, BadRequest),
        (cut_off, BadRequest),
        (missing, BadRequest),
    ],
)
async def test_bad_servers_cost_little(reply: Reply, error: type[Exception]) -> None:
    async with serving(reply) as server:
        started = time.monotonic()
        with pytest.raises(error):
            await fetcher().fetch(f"http://{OPEN}:{server.port}/")
        assert time.monotonic() - started < 2
    assert server.connections == 1


async def test_a_slow_name_server_costs_little() -> None:
    async def slow(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(5)
        return []

    with pytest.raises(BadRequest, match="within 1 seconds"):
        await fetcher(slow).fetch("http://slow.example/")


async def test_nobody_there() -> None:
    async with serving(missing) as server:
        port = server.port
    with pytest.raises(BadRequest, match="could not be fetched"):
        await fetcher().fetch(f"http://{OPEN}:{port}/")


@pytest.fixture(scope="module")
def open_gateway(served: NatsServer) -> Iterator[Gateway]:
    with running_gateway(served, fetch_networks=f"{OPEN}/32, 10.1.0.0/16", upload_limit=1_000_000) as gateway:
        yield gateway


async def test_an_address_is_answered_like_an_upload(open_gateway: Gateway, picture: bytes) -> None:
    async with (
        serving(picture_reply(picture)) as server,
        httpx.AsyncClient(base_url=open_gateway.url, trust_env=False, timeout=20) as client,
    ):
        address = f"http://{OPEN}:{server.port}/car.jpg"
        fields = {"upload_url": address, "camera_id": "gate", "regions": "mx"}
        multipart = {name: (None, value) for name, value in fields.items()}
        for response in (
            await client.post(PATH, data=fields),
            await client.post(PATH, json=fields),
            await client.post(PATH, files=multipart),
        ):
            assert response.status_code == 200, response.text
            body = response.json()
            assert [result["plate"] for result in body["results"]] == [digest(picture)]
            assert body["filename"] == "car.jpg"
            assert body["camera_id"] == "gate"


@pytest.mark.parametrize(("reply", "status"), [(endless_body, 413), (picture_reply(b"<html>"), 400), (missing, 400)])
async def test_what_cannot_be_used_is_the_callers_error(open_gateway: Gateway, reply: Reply, status: int) -> None:
    async with (
        serving(reply) as server,
        httpx.AsyncClient(base_url=open_gateway.url, trust_env=False, timeout=20) as client,
    ):
        response = await client.post(PATH, data={"upload_url": f"http://{OPEN}:{server.port}/car.jpg"})
    assert response.status_code == status
    assert response.json()["status_code"] == status
