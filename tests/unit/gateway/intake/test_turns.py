from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gateway.intake import turns
from gateway.intake.turns import Turns


async def rounds_of(shared: Turns, parsers: int, slices: int) -> tuple[list[int], list[tuple[int, int]]]:
    """How many slices were parsed in each round of the loop that had any, and (parser, slice) in their order."""
    now, order, counts = 0, [], Counter[int]()

    async def count() -> None:
        nonlocal now
        while True:
            now += 1
            await asyncio.sleep(0)

    async def parse(parser: int) -> None:
        for number in range(slices):
            await shared.wait()
            counts[now] += 1
            order.append((parser, number))

    counting = asyncio.create_task(count())
    await asyncio.gather(*(parse(parser) for parser in range(parsers)))
    counting.cancel()
    return list(counts.values()), order


async def test_many_parsers_hold_the_loop_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN", -1.0)  # each slice takes longer
    counts, order = await rounds_of(Turns(), 20, 5)
    assert max(counts) <= 2, "the end of one round and the beginning of the next"
    assert len(order) == 100
    done = Counter[int]()
    for parser, _ in order:
        done[parser] += 1
        assert done[parser] - min(done[each] for each in range(20)) <= 2, "in turns"


async def test_what_has_time_in_one_round_waits_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN", 60.0)
    counts, _ = await rounds_of(Turns(), 1, 10)
    assert counts == [10]


async def test_one_that_is_cancelled_while_it_waits_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN", -1.0)
    shared = Turns()
    await shared.wait()
    gone, other = (asyncio.create_task(shared.wait()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(10):
        await other
        await shared.wait()


def test_each_loop_begins_anew() -> None:
    shared = Turns()

    async def twice() -> None:
        await shared.wait()
        await shared.wait()

    for _ in range(2):
        asyncio.run(twice())
