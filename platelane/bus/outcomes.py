"""What a handler says about a message it was given."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """The message has been dealt with."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The same message again, `seconds` from now, to whichever worker is free."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """The same message again, `seconds` from now, because it is not its time yet: nothing has failed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reject:
    """No attempt will ever succeed: keep the message as a dead letter."""

    reason: str


Outcome = Done | Postpone | RetryAfter | Reject
