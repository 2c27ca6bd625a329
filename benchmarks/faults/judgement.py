"""Judges the outcomes of requests and events around a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.attempts import ACCEPTED, BROKEN, OK, REFUSALS, Attempt
from benchmarks.receiver import Arrival

MARGIN: Final = 2.0
"""Seconds that the answer to a request may take beyond the deadline."""


@dataclass(frozen=True, slots=True)
class Call:
    """A photograph with a unique camera, sent once or, with an `Idempotency-Key`, until answered."""

    camera: str
    attempts: Sequence[Attempt]

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of calls, attempts and events; seconds are counted from the end of the fault, None for never.

    `answered`, `accepted`, `refused`, `broken`: how calls ended. `lost`: answered or accepted calls without a stored
    result, or with a wrong answer. `twice`: calls with more than one result, however they ended. `hung`: attempts that
    took longer than the deadline. `rude`: attempts with another status, or refused without `Retry-After`. `events`:
    expected events, one per result. `missing`: events that did not arrive. `repeated`: further arrivals. `other_keys`:
    events that arrived under more than one key.
    """

    calls: int
    answered: int
    accepted: int
    refused: int
    broken: int
    lost: int
    twice: int
    hung: int
    rude: int
    longest: float
    events: int
    missing: int
    repeated: int
    other_keys: int
    read_after: float | None
    ready_after: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether waiting longer could not improve it."""
        return not self.lost and not self.missing

    @property
    def is_sound(self) -> bool:
        """Whether nothing forbidden happened, regardless of how long it took."""
        return not (self.lost or self.twice or self.hung or self.rude or self.missing or self.other_keys)


def judge(
    calls: Sequence[Call],
    stored: Mapping[str, Sequence[str]],
    arrivals: Iterable[Arrival],
    deadline: float,
    end: float,
    ready_after: float | None = None,
) -> Outcome:
    """The outcome of `calls`.

    `stored`: the ids of the stored results by camera. `arrivals`: all that the receiver got, including other cameras.
    `deadline`: seconds that a request may take. `end`: when the fault ended, in monotonic seconds.
    """
    attempts = [attempt for call in calls for attempt in call.attempts]
    results = [len(stored.get(call.camera, ())) for call in calls]
    due = {event for call in calls for event in stored.get(call.camera, ())}
    keys: dict[str, list[str]] = {}
    for arrival in arrivals:
        keys.setdefault(arrival.event, []).append(arrival.key)
    got = [keys[event] for event in due if event in keys]
    statuses = [call.last.status for call in calls]
    return Outcome(
        calls=len(calls),
        answered=statuses.count(OK),
        accepted=statuses.count(ACCEPTED),
        refused=sum(status in REFUSALS for status in statuses),
        broken=statuses.count(BROKEN),
        lost=sum(_is_lost(call.last, number) for call, number in zip(calls, results, strict=True)),
        twice=sum(number > 1 for number in results),
        hung=sum(attempt.seconds > deadline + MARGIN for attempt in attempts),
        rude=sum(map(_is_rude, attempts)),
        longest=max((attempt.seconds for attempt in attempts), default=0.0),
        events=len(due),
        missing=len(due) - len(got),
        repeated=sum(len(each) - 1 for each in got),
        other_keys=sum(len(set(each)) > 1 for each in got),
        read_after=_read_after(attempts, end),
        ready_after=ready_after,
    )


def _is_lost(last: Attempt, results: int) -> bool:
    return last.status in (OK, ACCEPTED) and (results == 0 or not last.is_right)


def _is_rude(attempt: Attempt) -> bool:
    if attempt.status in (429, 503):
        return not attempt.says_when
    return attempt.status not in (OK, ACCEPTED, BROKEN, *REFUSALS)


def _read_after(attempts: Iterable[Attempt], end: float) -> float | None:
    """Seconds from the end of the fault until a photograph that was sent after it was read."""
    reads = (each.ended for each in attempts if each.status == OK and each.sent >= end)
    return min((read - end for read in reads), default=None)
