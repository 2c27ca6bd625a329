"""How many pictures are blurred at once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.http.blur import in_thread


async def test_who_hangs_up_frees_the_place_when_the_thread_ends() -> None:
    places = asyncio.Semaphore(1)
    begun, end = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return end.wait(5)

    first = asyncio.create_task(in_thread(places, work))
    assert await asyncio.to_thread(begun.wait, 5)
    begun.clear()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(in_thread(places, work))
    waiting = asyncio.create_task(in_thread(places, work))
    assert not await asyncio.to_thread(begun.wait, 0.2)

    waiting.cancel()
    end.set()
    assert await second
    assert waiting.cancelled()
    assert not places.locked()


async def test_work_that_fails_frees_its_place() -> None:
    places = asyncio.Semaphore(1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(places, lambda: 1 // 0)
    assert not places.locked()
