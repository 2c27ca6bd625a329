from __future__ import annotations

import pytest

from benchmarks.attempts import Attempt
from benchmarks.faults.judgement import MARGIN, Call, Outcome, judge
from benchmarks.receiver import Arrival

DEADLINE = 9.0
END = 100.0


def call(camera: str, *statuses: int, sent: float = END + 1, seconds: float = 0.5, **told: bool) -> Call:
    return Call(camera, [Attempt(sent, seconds, status, **told) for status in statuses])


def arrival(event: str, key: str = "") -> Arrival:
    return Arrival(key or f"{event}.1", event, "any camera", 0.0, 0.0)


def judged(calls: list[Call], stored: dict[str, list[str]], *arrivals: Arrival) -> Outcome:
    return judge(calls, stored, arrivals, DEADLINE, END)


def test_a_photograph_that_is_read_once_and_told_of_once_is_sound() -> None:
    outcome = judged([call("a", 200), call("b", 202)], {"a": ["1"], "b": ["2"]}, arrival("1"), arrival("2"))
    assert outcome.is_sound
    assert outcome.is_settled
    assert (outcome.calls, outcome.answered, outcome.accepted, outcome.events) == (2, 1, 1, 2)


@pytest.mark.parametrize("status", [200, 202])
def test_an_accepted_photograph_without_a_result_is_lost(status: int) -> None:
    outcome = judged([call("a", status)], {})
    assert outcome.lost == 1
    assert not outcome.is_settled
    assert not outcome.is_sound


@pytest.mark.parametrize("status", [0, 408, 429, 503])
def test_one_that_was_refused_or_whose_connection_broke_is_not_lost(status: int) -> None:
    assert judged([call("a", status)], {}).is_sound


@pytest.mark.parametrize("status", [0, 503])
def test_one_that_was_read_although_its_client_was_not_told_is_sound_with_its_event(status: int) -> None:
    assert judged([call("a", status)], {"a": ["1"]}, arrival("1")).is_sound
    assert judged([call("a", status)], {"a": ["1"]}).missing == 1


def test_an_answer_about_another_photograph_is_lost() -> None:
    assert judged([call("a", 200, is_right=False)], {"a": ["1"]}, arrival("1")).lost == 1


@pytest.mark.parametrize("status", [0, 200, 202, 503])
def test_two_results_are_twice_however_the_call_ended(status: int) -> None:
    outcome = judged([call("a", status)], {"a": ["1", "2"]}, arrival("1"), arrival("2"))
    assert outcome.twice == 1
    assert not outcome.is_sound


def test_one_that_is_sent_again_under_its_key_is_one_call_that_ended_as_the_last_attempt() -> None:
    outcome = judged([call("a", 0, 503, 200)], {"a": ["1"]}, arrival("1"))
    assert (outcome.calls, outcome.answered, outcome.broken, outcome.refused) == (1, 1, 0, 0)
    assert outcome.is_sound


def test_every_attempt_that_takes_longer_than_the_deadline_hangs() -> None:
    late = Call("a", [Attempt(END, DEADLINE + MARGIN + 0.1, 0), Attempt(END, DEADLINE + MARGIN, 200)])
    outcome = judged([late], {"a": ["1"]}, arrival("1"))
    assert outcome.hung == 1
    assert outcome.longest == DEADLINE + MARGIN + 0.1
    assert not outcome.is_sound


@pytest.mark.parametrize(("status", "says_when"), [(503, False), (429, False), (500, True), (404, True)])
def test_another_error_or_a_refusal_that_does_not_say_when_to_come_again_is_rude(status: int, says_when: bool) -> None:
    outcome = judged([call("a", status, 200, says_when=says_when)], {"a": ["1"]}, arrival("1"))
    assert outcome.rude == 1
    assert not outcome.is_sound


def test_events_may_come_again_under_the_same_key_and_not_under_another() -> None:
    again = judged([call("a", 200)], {"a": ["1"]}, arrival("1"), arrival("1"))
    assert (again.repeated, again.other_keys) == (1, 0)
    assert again.is_sound
    other = judged([call("a", 200)], {"a": ["1"]}, arrival("1"), arrival("1", "1.other"))
    assert (other.repeated, other.other_keys) == (1, 1)
    assert not other.is_sound


def test_events_of_other_cameras_are_not_ours() -> None:
    outcome = judged([call("a", 200)], {"a": ["1"], "b": ["2"]}, arrival("1"), arrival("3"))
    assert (outcome.events, outcome.missing, outcome.repeated) == (1, 0, 0)


def test_a_photograph_is_read_again_with_the_first_that_was_sent_after_the_fault() -> None:
    calls = [
        call("before", 200, sent=END - 0.1, seconds=0.2),
        call("refused", 503, sent=END + 0.1, seconds=0.1),
        call("accepted", 202, sent=END + 0.1, seconds=0.1),
        call("slow", 200, sent=END + 0.2, seconds=3.0),
        call("quick", 200, sent=END + 1.0, seconds=0.5),
    ]
    assert judged(calls, {}).read_after == pytest.approx(1.5)
    assert judged(calls[:3], {}).read_after is None
