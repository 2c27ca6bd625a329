"""The budget for what is arriving."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.arrivals import Arrivals
from platelane.errors import Overloaded

LEAST = 64 << 10
BUDGET = 30 * LEAST


def test_one_client_gets_two_thirds() -> None:
    arrivals = Arrivals(BUDGET)
    first, second = arrivals.arriving("one"), arrivals.arriving("other")
    first.add(19 * LEAST)
    with pytest.raises(Overloaded, match="from this client"):
        first.add(1)
    second.add(9 * LEAST)
    with pytest.raises(Overloaded, match="receiving as much as it can"):
        second.add(1)


def test_what_nobody_holds_makes_room_also_where_it_was_refused() -> None:
    arrivals = Arrivals(BUDGET)
    for _ in range(3):
        arrival = arrivals.arriving("one")
        with pytest.raises(Overloaded):
            arrival.add(20 * LEAST)
    arrival = arrivals.arriving("one")  # the last one is held no more
    arrival.add(19 * LEAST)


def test_what_is_left_of_a_body_is_what_counts() -> None:
    arrivals = Arrivals(BUDGET)
    arrival = arrivals.arriving("one")
    arrival.add(19 * LEAST)
    arrival.shrink_to(10 * LEAST)
    arrival.shrink_to(15 * LEAST)  # it does not grow again
    other = arrivals.arriving("one")
    other.add(9 * LEAST)
    with pytest.raises(Overloaded):
        other.add(1)
    arrival.end()
    arrival.end()
    other.add(10 * LEAST)


def test_connections_that_send_nothing_are_limited_too() -> None:
    arrivals = Arrivals(BUDGET)
    held = [arrivals.arriving("one") for _ in range(20)]
    with pytest.raises(Overloaded):
        arrivals.arriving("one")
    arrivals.arriving("other")
    held.clear()
    arrivals.arriving("one")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, BUDGET)), max_size=20))
def test_the_budget_is_whole_again_in_the_end(sizes: list[tuple[str, int]]) -> None:
    arrivals = Arrivals(BUDGET)
    for client, size in sizes:
        try:
            arrivals.arriving(client).add(size)
        except Overloaded:
            assert size > 19 * LEAST
