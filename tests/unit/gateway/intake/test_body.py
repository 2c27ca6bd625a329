"""Bodies within their limits of size and time."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from gateway.intake import body
from gateway.intake.body import Limits
from gateway.intake.upload import SLICE
from platelane.errors import BadRequest, TooSlow, UploadTooLarge


def request(chunks: Iterable[bytes], *, headers: dict[str, str] | None = None, end: str = "complete") -> Request:
    """A request whose body arrives in pieces, and then is complete, stalls, or is cut off."""
    messages: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if end == "complete":
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    if end == "disconnect":
        messages.append({"type": "http.disconnect"})

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


async def test_pieces_become_one_body() -> None:
    assert await body.read(request([b"ab", b"", b"cde"]), Limits(5, 1.0)) == b"abcde"
    assert await body.read(request([]), Limits(5, 1.0)) == b""


async def test_one_byte_too_many_is_refused() -> None:
    with pytest.raises(UploadTooLarge) as caught:
        await body.read(request([b"abc", b"def"]), Limits(5, 1.0))
    assert caught.value.limit == 5


async def test_a_length_over_the_limit_is_refused_before_anything_arrives() -> None:
    with pytest.raises(UploadTooLarge):
        await body.read(request([], headers={"content-length": "6"}, end="stall"), Limits(5, 60.0))


async def test_what_stalls_is_given_up() -> None:
    with pytest.raises(TooSlow, match=r"within 0\.05 seconds"):
        await body.read(request([b"abc"], end="stall"), Limits(5, 0.05))


async def test_what_trickles_is_given_up_also_after_a_good_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "WINDOW", 0.05)
    for beginning in (b"", bytes(1_000)):
        with pytest.raises(TooSlow, match="less than 1000 bytes a second") as caught:
            await body.read(request([beginning, b"abc"], end="stall"), Limits(5_000, 60.0, 1_000))
        assert caught.value.status == 408


async def test_who_hangs_up_is_told_of() -> None:
    with pytest.raises(ClientDisconnect):
        await body.read(request([b"abc"], end="disconnect"), Limits(5, 1.0))


async def test_compressed_bodies_have_the_limit_of_what_they_hold() -> None:
    bomb = gzip.compress(bytes(1_000_000))
    headers = {"content-encoding": "gzip"}
    assert await body.read(request([bomb], headers=headers), Limits(1_000_000, 1.0)) == bytes(1_000_000)
    with pytest.raises(UploadTooLarge):
        await body.read(request([bomb], headers=headers), Limits(999_999, 1.0))
    with pytest.raises(BadRequest, match="cut off"):
        await body.read(request([bomb[:-1]], headers=headers), Limits(1_000_000, 1.0))


async def test_pieces_are_small_and_others_have_their_turn_between_them() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.create_task(other())
    bomb = gzip.compress(bytes(20_000_000))
    sizes = set()
    async for piece in body.pieces(request([bomb], headers={"content-encoding": "gzip"}), Limits(20_000_000, 60.0)):
        sizes.add(len(piece))
    running.cancel()
    assert max(sizes) == SLICE
    assert turns > 1
