"""Which delivery the running handler is working on."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """The `attempt`th delivery of a message, counted from 1; `sequence` is the message's number in its stream."""

    attempt: int
    sequence: int
    subject: str = ""


_current: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


def enter(delivery: Delivery) -> None:
    """From now on this task works on `delivery`."""
    _current.set(delivery)


def delivery() -> Delivery | None:
    """The delivery at hand; None outside a handler."""
    return _current.get()


def attempt() -> int:
    """How often the message at hand has been delivered, this time included; 1 outside a handler."""
    current = _current.get()
    return current.attempt if current else 1
