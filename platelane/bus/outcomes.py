"""The outcomes that a message handler can return."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """The message has been handled."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Deliver the message again `seconds` from now, to any free worker."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Deliver the message again `seconds` from now, because it is not due yet: nothing has failed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reject:
    """No attempt will ever succeed: keep the message as a dead letter."""

    reason: str


Outcome = Done | Postpone | RetryAfter | Reject
