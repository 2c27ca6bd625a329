from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.http.open_streams import OpenStreams
from platelane.errors import Overloaded


async def body() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


async def test_a_client_has_so_many_and_others_have_theirs() -> None:
    streams = OpenStreams("exports", 2)
    begun = [streams.counted("one", body()) for _ in range(2)]
    for each in begun:
        streams.check("one")
        assert await anext(each) == b"a"
    with pytest.raises(Overloaded, match="already has 2 open exports"):
        streams.check("one")
    assert [part async for part in streams.counted("one", body())] == []
    assert [part async for part in streams.counted("other", body())] == [b"a", b"b"]


async def test_one_that_is_left_or_sent_counts_no_longer() -> None:
    streams = OpenStreams("exports", 1)
    left = streams.counted("one", body())
    await anext(left)
    await left.aclose()
    streams.check("one")
    assert [part async for part in streams.counted("one", body())] == [b"a", b"b"]
    streams.check("one")
