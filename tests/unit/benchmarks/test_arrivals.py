from __future__ import annotations

import asyncio
import itertools
import statistics

import pytest

from benchmarks import arrivals


def test_random_arrivals_come_at_their_rate_and_alike_for_a_seed() -> None:
    gaps = list(itertools.islice(arrivals.poisson(20, seed=3), 20_000))
    assert statistics.mean(gaps) == pytest.approx(1 / 20, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / 20, rel=0.05), "they know nothing of each other"
    assert gaps[:5] == list(itertools.islice(arrivals.poisson(20, seed=3), 5))
    assert gaps[:5] != list(itertools.islice(arrivals.poisson(20, seed=4), 5))


def test_steady_arrivals_do_not_vary() -> None:
    assert list(itertools.islice(arrivals.steady(4), 3)) == [0.25, 0.25, 0.25]


async def test_who_is_late_does_not_move_the_requests_that_are_due_later() -> None:
    moments = []
    async for moment in arrivals.due(arrivals.steady(100), seconds=0.095):
        moments.append(moment)
        if len(moments) == 3:
            await asyncio.sleep(0.05)
    assert [moment - moments[0] for moment in moments] == pytest.approx([number / 100 for number in range(10)])


async def test_each_comes_once_it_is_due() -> None:
    loop = asyncio.get_running_loop()
    async for moment in arrivals.due(arrivals.steady(100), seconds=0.095):
        assert loop.time() >= moment - 1e-6
