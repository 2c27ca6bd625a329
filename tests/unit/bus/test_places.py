from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import pytest

from platelane.bus import places
from platelane.bus.places import Places

MOMENT = 0.02


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "PAUSE", 2 * MOMENT)


@asynccontextmanager
async def bulk(held: Places, begun: list[int], number: int = 0) -> AsyncIterator[asyncio.Event]:
    """A message of the second queue; it is in progress until the event is set."""
    done = asyncio.Event()

    async def work() -> None:
        async with held.second() as free:
            if free:
                begun.append(number)
                await done.wait()

    task = asyncio.create_task(work())
    yield done
    done.set()
    held.stop()
    await task


async def test_the_second_queue_has_all_places_while_the_first_is_empty() -> None:
    held, begun = Places(3), list[int]()
    async with AsyncExitStack() as stack:
        for number in range(5):
            await stack.enter_async_context(bulk(held, begun, number))
        await asyncio.sleep(MOMENT)
        assert begun == [0, 1, 2]


async def test_a_place_that_the_second_queue_gives_back_goes_to_its_next_message_at_once() -> None:
    held, begun = Places(1), list[int]()
    async with bulk(held, begun, 0) as first, bulk(held, begun, 1):
        await asyncio.sleep(MOMENT)
        assert begun == [0]
        first.set()
        await asyncio.sleep(MOMENT)
        assert begun == [0, 1]


async def test_nothing_of_the_second_queue_is_begun_while_the_first_has_all_places() -> None:
    held, begun = Places(2), list[int]()
    with ExitStack() as busy:
        for _ in range(2):
            busy.enter_context(held.first())
        async with bulk(held, begun):
            await asyncio.sleep(3 * MOMENT)
            assert begun == []
            busy.close()
            async with asyncio.timeout(60):
                while not begun:
                    await asyncio.sleep(MOMENT)


async def test_the_moment_between_two_messages_of_the_first_queue_is_no_free_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "PAUSE", 60.0)
    held, begun = Places(1), list[int]()
    async with bulk(held, begun):
        for _ in range(5):
            with held.first():
                await asyncio.sleep(0)
            await asyncio.sleep(MOMENT / 10)
        assert begun == []
        monkeypatch.setattr(places, "PAUSE", 0.0)


async def test_the_first_queue_never_waits() -> None:
    held, begun = Places(1), list[int]()
    async with bulk(held, begun):
        await asyncio.sleep(MOMENT)
        with held.first(), held.first():
            assert begun == [0]


async def test_who_waits_for_a_place_goes_when_the_process_stops() -> None:
    held, begun = Places(1), list[int]()
    with held.first():
        async with bulk(held, begun), asyncio.timeout(60):
            await asyncio.sleep(MOMENT)
            held.stop()
    assert begun == []
