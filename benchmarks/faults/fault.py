"""What a fault is: something that is done to a running system, and then no longer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.system import System
from benchmarks.receiver import ReceiverProcess


class NotHere(Exception):
    """A fault that this machine, or this user, cannot make; says why."""


@dataclass(slots=True)
class Scene:
    """Where a fault takes place. `ended` is when it was over, seconds of the monotonic clock; when `inject` returns,
    unless that has set it. `notes` are told beside the outcome."""

    system: System
    receiver: ReceiverProcess
    photo: bytes
    folder: Path
    ended: float | None = None
    notes: list[str] = field(default_factory=list)

    def end(self) -> None:
        """The fault is over now, though there is something left to do."""
        self.ended = time.monotonic()


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` does it and returns once it is over. Faults with the same `place` and `settings` (those that differ from
    the defaults, without their prefix) share a system.

    `inject` raises NotHere where it cannot be done.
    """

    name: str
    does: str
    inject: Callable[[Scene], Awaitable[None]]
    settings: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    place: str = "plain"
