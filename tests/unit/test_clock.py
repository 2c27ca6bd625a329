from __future__ import annotations

import pytest

from platelane.runtime.clock import Jumps

HOUR = 3_600.0
START = 1_800_000_000.0


class Clocks:
    """A clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.steady = 1_000.0
        self.ahead = START

    @property
    def now(self) -> float:
        return self.steady + self.ahead

    def jumps(self) -> Jumps:
        return Jumps(lambda: self.now, lambda: self.steady)


@pytest.mark.parametrize("size", [HOUR, -HOUR, 20.0, -20.0, 50 * 365 * 24 * HOUR])
def test_what_was_reckoned_before_a_jump_moves_with_the_clock_and_what_was_reckoned_after_it_stays(size: float) -> None:
    clocks = Clocks()
    jumps = clocks.jumps()
    before = clocks.now
    clocks.steady += 3
    jumps.check()
    clocks.ahead += size
    clocks.steady += 1  # nobody looks at once
    assert jumps.since(before) == pytest.approx(size)
    assert jumps.since(clocks.now) == 0
    clocks.steady += 5
    assert jumps.since(before) == pytest.approx(size)
    assert jumps.since(clocks.now) == 0


def test_jumps_add_up() -> None:
    clocks = Clocks()
    jumps = clocks.jumps()
    first = clocks.now
    clocks.ahead += HOUR
    jumps.check()
    clocks.steady += 20
    second = clocks.now
    clocks.ahead -= HOUR
    jumps.check()
    clocks.steady += 20
    assert [jumps.since(moment) for moment in (first, second, clocks.now)] == pytest.approx([0, -HOUR, 0])


def test_a_clock_that_is_set_gently_does_not_jump() -> None:
    clocks = Clocks()
    jumps = clocks.jumps()
    before = clocks.now
    for _ in range(100):
        clocks.ahead += 0.5
        clocks.steady += 1
        jumps.check()
    assert jumps.since(before) == 0


def test_long_after_the_clock_was_set_back_its_moments_are_not_taken_for_those_of_before() -> None:
    clocks = Clocks()
    jumps = clocks.jumps()
    clocks.ahead -= HOUR
    for _ in range(3_600):
        clocks.steady += 2
        assert jumps.since(clocks.now - 1) == 0
