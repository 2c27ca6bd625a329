"""The limit with queues in virtual time: photographs are read one after another, at a given rate."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.concurrency_limit import LEAST, ConcurrencyLimit

DEADLINE = 9.0
MOST = 64


@dataclass
class Gateway:
    """Lets photographs in by its limit; callers leave at the deadline, their photographs are read all the same."""

    limit: ConcurrencyLimit = field(default_factory=lambda: ConcurrencyLimit(MOST, DEADLINE))
    inside: int = 0
    answered: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    refused: int = 0


def run(gateways: list[Gateway], rate: float, reading: Callable[[float], float], seconds: float) -> None:
    """Each gateway is offered `rate` photographs a second; one takes `reading(now)` seconds of the only reader."""
    free = 0.0
    ends: list[tuple[float, int, int, float]] = []  # when, gateway, found, when it came

    def finish(until: float) -> None:
        while ends and ends[0][0] <= until:
            end, number, found, came = heapq.heappop(ends)
            gateway = gateways[number]
            gateway.inside -= 1
            if end - came > DEADLINE:
                gateway.late.append(end)
                gateway.limit.too_late(found, DEADLINE)
            else:
                gateway.answered.append(end)
                gateway.limit.answered(found, end - came)

    def arrivals() -> Iterator[tuple[float, int]]:
        for step in range(int(seconds * rate)):
            yield from ((step / rate, number) for number in range(len(gateways)))

    for now, number in arrivals():
        finish(now)
        gateway = gateways[number]
        if gateway.inside >= gateway.limit.places:
            gateway.refused += 1
            continue
        gateway.inside += 1
        gateway.limit.timing(gateway.inside)
        free = max(free, now) + reading(now)
        heapq.heappush(ends, (free, number, gateway.inside, now))
    finish(float("inf"))


@pytest.mark.parametrize("speed", [1.0, 3.0, 6.0])
def test_a_slow_system_answers_as_fast_as_it_can_whatever_is_offered(speed: float) -> None:
    gateway = Gateway()
    run([gateway], 5 * speed, lambda _: 1 / speed, 120)
    settled = [moment for moment in gateway.answered if 60 <= moment < 120]
    assert len(settled) >= 0.95 * 60 * speed
    assert not [moment for moment in gateway.late if moment > 60]
    assert gateway.refused > 60 * speed


def test_without_a_limit_it_would_answer_hardly_any_in_time() -> None:
    gateway = Gateway()
    gateway.limit.too_late = lambda *_: None  # type: ignore[method-assign]
    run([gateway], 15, lambda _: 1 / 3, 120)
    assert len([moment for moment in gateway.answered if moment > 60]) < 10


def test_a_fast_system_is_not_held_back() -> None:
    gateway = Gateway()
    run([gateway], 100, lambda _: 1 / 33, 60)
    assert gateway.limit.places == MOST
    assert not gateway.late


def test_gateways_share_what_the_system_can_do() -> None:
    gateways = [Gateway(), Gateway(), Gateway()]
    run(gateways, 20, lambda _: 1 / 8, 200)
    for gateway in gateways:
        assert not [moment for moment in gateway.late if moment > 100]
        assert len([moment for moment in gateway.answered if moment > 100]) > 100
    assert sum(len([moment for moment in each.answered if 100 < moment < 200]) for each in gateways) > 0.95 * 800


def test_a_system_that_gets_faster_is_used() -> None:
    gateway = Gateway()
    run([gateway], 60, lambda now: 1 / 3 if now < 60 else 1 / 30, 120)
    assert len([moment for moment in gateway.answered if 90 < moment < 120]) > 0.95 * 30 * 30


def test_what_takes_long_with_few_in_progress_refuses_nobody() -> None:
    limit = ConcurrencyLimit(MOST, DEADLINE)
    limit.answered(1, 8.0)
    limit.too_late(LEAST, 9.0)
    assert limit.places == MOST


def test_a_system_that_stood_still_is_trusted_again_after_a_few_answers() -> None:
    limit = ConcurrencyLimit(MOST, DEADLINE)
    for found in range(1, 20):
        limit.answered(found, 7.0 - found / 10)
    assert limit.places == LEAST
    for _ in range(10):
        limit.answered(1, 0.06)
    assert limit.places > MOST / 2


def test_a_new_burst_is_let_in_once_the_last_one_is_over() -> None:
    limit = ConcurrencyLimit(MOST, DEADLINE)
    limit.too_late(40, 9.0)
    limit.timing(2)
    assert limit.places == 20
    limit.timing(1)
    assert limit.places == MOST


def test_a_caller_in_a_hurry_who_leaves_says_nothing_about_the_system() -> None:
    limit = ConcurrencyLimit(MOST, DEADLINE)
    limit.too_late(2, 1.0)
    assert limit.places == MOST
    limit.too_late(20, 9.0)
    assert limit.places == 10
    limit.too_late(60, 0.1)
    assert limit.places == 10


@given(st.integers(1, 100), st.lists(st.tuples(st.booleans(), st.integers(1, 100), st.floats(0, 60, allow_nan=False))))
def test_there_is_always_a_place_and_never_more_than_allowed(most: int, told: list[tuple[bool, int, float]]) -> None:
    limit = ConcurrencyLimit(most, DEADLINE)
    for answered, found, seconds in told:
        (limit.answered if answered else limit.too_late)(found, seconds)
        assert min(most, LEAST) <= limit.places <= most
