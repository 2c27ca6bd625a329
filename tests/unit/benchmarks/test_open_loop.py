from __future__ import annotations

from benchmarks.attempts import BROKEN, Attempt
from benchmarks.open_loop import Window, evaluate

WINDOW = Window(100.0, 110.0)
DEADLINE = 9.0


def test_answers_count_by_when_they_came_and_latencies_by_when_they_were_due() -> None:
    before, within, after = Attempt(99.0, 2.0, 200), Attempt(104.0, 0.5, 200), Attempt(109.0, 3.0, 200)
    found = evaluate([before, within, after], WINDOW, DEADLINE)
    assert (found.due, found.offered) == (2, 0.2)
    assert found.answered == 0.2
    assert found.rates == [0.5, 0, 0.5, 0, 0], "in fifths of two seconds"
    assert found.latencies == [500, 3_000]


def test_refusals_at_once_are_told_from_those_at_the_deadline() -> None:
    attempts = [
        Attempt(101.0, 0.02, 503),
        Attempt(101.0, 0.01, 429),
        Attempt(101.0, 9.0, 503),
        Attempt(101.0, 11.0, BROKEN),
    ]
    found = evaluate(attempts, WINDOW, DEADLINE)
    assert found.refused == {429: 1, 503: 1}
    assert found.refusals == [10, 20]
    assert found.too_late == 2
    assert found.odd == 0


def test_what_must_not_be_is_counted() -> None:
    attempts = [
        Attempt(101.0, 0.02, 503, says_when=False),
        Attempt(101.0, 0.02, 408, says_when=False),
        Attempt(101.0, 0.5, 500),
        Attempt(101.0, 0.5, BROKEN, says_when=False),
    ]
    found = evaluate(attempts, WINDOW, DEADLINE)
    assert found.rude == 1, "408 needs no Retry-After"
    assert found.odd == 2


def test_settling_is_left_out() -> None:
    found = evaluate([Attempt(100.5, 0.1, 200), Attempt(103.0, 0.1, 200)], WINDOW.after(2.0), DEADLINE)
    assert (found.due, found.seconds) == (1, 8.0)
