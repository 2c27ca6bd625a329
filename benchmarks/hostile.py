"""Requests meant to be expensive: by false claims, repetition, nesting, or by never finishing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import random
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

_PATH: Final = "/v1/plate-reader/"
_FORM: Final = "multipart/form-data; boundary=x"
_UPLOAD: Final = b'--x\r\nContent-Disposition: form-data; name="upload"\r\n\r\n'
_FIELD: Final = b'--x\r\nContent-Disposition: form-data; name="regions"\r\n\r\nmx\r\n'


def bodies(picture: bytes, size: int = 9_500_000) -> Iterator[tuple[str, str, bytes, str]]:
    """Name, type, body and Content-Encoding of bodies with up to `size` bytes of repetition."""

    def times(unit: bytes) -> bytes:
        return unit * (size // len(unit))

    text = base64.b64encode(picture + bytes(size // 2))
    yield "blanks behind a boundary", _FORM, b"--x" + times(b" "), ""
    yield "line breaks before a boundary", _FORM, times(b"\r\n") + _UPLOAD, ""
    yield "text behind the last boundary", _FORM, _UPLOAD + picture + b"\r\n--x--" + times(b"a"), ""
    yield "false boundaries", _FORM, _UPLOAD + times(b"\r\n--xy"), ""
    yield "nearly boundaries", "multipart/form-data; boundary=" + "a" * 70, times(b"\r\n--" + b"a" * 69 + b"b"), ""
    yield "carriage returns", _FORM, _UPLOAD + times(b"\r"), ""
    yield "empty parts", _FORM, times(b"--x\r\n\r\n\r\n"), ""
    yield "parts", _FORM, times(_FIELD), ""
    yield "headers of a part", _FORM, b"--x\r\n" + times(b"A: b\r\n"), ""
    yield "parameters of a header", _FORM, times(_FIELD[:38] + b";" * 7_000 + b"\r\n\r\n\r\n"), ""
    yield "percent escapes", "", b"upload=" + times(b"%41"), ""
    yield "escaped percent signs", "", b"upload=" + times(b"%25"), ""
    yield "escapes in a field", "", b"camera_id=" + times(b"%41"), ""
    yield "pairs", "", times(b"a=b&"), ""
    yield "ampersands", "", times(b"&"), ""
    yield "base64 of lines", "", b"upload=" + b"\n".join(text[at : at + 1] for at in range(size // 2)), ""
    yield "blanks for base64", "", b"upload=" + times(b" \r\n"), ""
    yield "padding", "", b"upload=/9j/" + times(b"="), ""
    yield "base64 in JSON", "", b'{"upload": "' + text + b'"}', ""
    yield "escaped base64 in JSON", "", b'{"upload": "' + text.replace(b"A", b"\\/") + b'"}', ""
    yield "deep JSON", "", b'{"a": ' + times(b"["), ""
    yield "wide JSON", "", b'{"a": [' + times(b"[],") + b"0]}", ""
    yield "numbers in JSON", "", b'{"a": [' + times(b"1,") + b"0]}", ""
    yield "uploads in JSON", "", b"{" + times(b'"upload": "",') + b'"a": 0}', ""
    yield "uploads deep in JSON", "", b'{"a": [' + times(b'{"upload": ""},') + b"0]}", ""
    yield "backslashes in JSON", "", b'{"upload": "' + times(b"\\"), ""
    yield "blanks in JSON", "", b"{" + times(b" "), ""
    yield "regular expressions", "", b'config={"text_formats": ["' + b"(" * 90 + b"a" + b")" * 90 + b'"]}', ""
    yield "a bomb", "", gzip.compress(bytes(5 * size)), "gzip"
    yield "a bomb of parts", _FORM, gzip.compress(times(_FIELD)), "gzip"
    yield "a picture with a long tail", "image/jpeg", picture + bytes(size), ""


def heads(host: str) -> Iterator[bytes]:
    """Requests with long heads, or with heads that promise data that does not come."""
    start = f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\n".encode()
    yield start + b"A: b\r\n" * 20_000
    yield start + b"Content-Type: multipart/form-data" + b";" * 60_000 + b"\r\nContent-Length: 2\r\n\r\n{}"
    yield start + b"Content-Length: 99999999999999999999\r\n\r\n"
    yield start + b"Content-Length: 31000000\r\n\r\n\xff\xd8\xff"
    yield start + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 50_000
    yield start + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n\xff\xd8\xff"
    yield f"GET /v1/results/?plate={'*' * 60_000} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def hang_up(url: str, picture: bytes, times: int) -> None:
    """Complete and partial requests of clients that disconnect at once, by closing or resetting the connection."""
    address, rng = urlsplit(url), random.Random(0)
    head = f"POST {_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
    for _ in range(times):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write((head + picture)[: rng.choice((len(head), len(head) + 100, len(head) + len(picture)))])
            if rng.random() < 0.5:
                writer.transport.abort()
            else:
                await writer.drain()
                writer.close()


async def trickle(url: str, connections: int) -> int:
    """Run clients that send a byte per second; returns how many got an answer before the server hung up."""
    address = urlsplit(url)
    head = f"POST {_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000000\r\n\r\n".encode()

    async def client() -> bool:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        answer = asyncio.create_task(reader.read(65536))
        writer.write(head)
        with contextlib.suppress(OSError):
            while not answer.done():
                writer.write(b"\xff")
                await asyncio.wait({answer}, timeout=1.0)
        writer.close()
        return b" 408 " in (await answer)[:20]

    return sum(await asyncio.gather(*(client() for _ in range(connections))))
