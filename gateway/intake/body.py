"""The body of an HTTP request, received within limits of size, time and rate, and decompressed if necessary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from gateway.intake import content_encoding
from gateway.intake.turns import TURNS
from gateway.intake.upload import SLICE
from platelane.errors import TooSlow, UploadTooLarge

WINDOW: Final = 5.0
"""Seconds over which the rate of an upload is measured."""
_NO_LENGTH: Final = "0"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one body: bytes, both as sent and decompressed; seconds it may take; and the lowest rate, bytes a second."""

    size: int
    seconds: float
    rate: int = 0


async def pieces(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body as it arrives, in pieces of at most `SLICE` bytes; other tasks run between them.

    A body whose Content-Length is too large is refused before any of it is received.

    Raises:
        UploadTooLarge: too many bytes, as sent or decompressed.
        UnsupportedEncoding: the Content-Encoding is not supported.
        BadRequest: the body is not valid in its encoding.
        TooSlow: the body does not arrive in time, or fast enough.
        starlette.requests.ClientDisconnect: the client hung up.
    """
    decoder = content_encoding.decoder(request.headers.get("content-encoding", ""))
    if int(request.headers.get("content-length", _NO_LENGTH)) > limits.size:
        raise UploadTooLarge(limits.size, "body")
    arrived = 0
    async for chunk in _in_time(request, limits):
        for piece in decoder.decode(chunk, SLICE):
            arrived += len(piece)
            if arrived > limits.size:
                raise UploadTooLarge(limits.size, "body")
            await TURNS.wait()
            yield piece
    decoder.finish()


async def read(request: Request, limits: Limits) -> bytearray:
    """All of a small body. Raises as `pieces`."""
    body = bytearray()
    async for piece in pieces(request, limits):
        body += piece
    return body


async def _in_time(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The received chunks. Raises TooSlow if they do not arrive in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.seconds
    enough, arrived, window_end = limits.rate * WINDOW, 0, loop.time() + WINDOW
    stream = request.stream()
    while True:
        until = min(end, window_end) if limits.rate else end
        try:
            async with asyncio.timeout_at(until):
                chunk = await anext(stream, None)
        except TimeoutError:
            if until == end:
                raise TooSlow(f"The request did not arrive within {limits.seconds:g} seconds.") from None
            raise TooSlow(f"The request arrives with less than {limits.rate} bytes a second.") from None
        if chunk is None:
            return
        arrived += len(chunk)
        if arrived >= enough:
            arrived, window_end = 0, loop.time() + WINDOW
        yield chunk
