"""How many photographs may be in progress at once so that each is still answered in time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

LEAST: Final = 4
"""Photographs that are always admitted, so that a recovery is noticed."""
_SHARE: Final = 1 / 2
"""Share of the deadline that an answer should take at most; the rest is a reserve for slower photographs."""
_GAIN: Final = 1 / 8
"""Share of the difference by which one answer raises the limit."""


class ConcurrencyLimit:
    """Learns from each answer, by Little's law: a photograph that found `n` in progress, itself included, and was
    answered after `t` seconds saw `n / t` answers a second. That rate times the longest time an answer should take
    is how many may be in progress.

    A large photograph takes several places and counts accordingly. With few places taken, the measured rate is below
    the possible one, but the resulting limit is still far above their number. A late answer lowers the limit at once,
    others raise it gradually.
    """

    def __init__(self, most: int, deadline: float) -> None:
        """`most`: the upper bound, which is also where it starts. `deadline`: seconds."""
        self._most = most
        self._aim = deadline * _SHARE
        self._limit = float(most)

    @property
    def places(self) -> int:
        """Photographs that may be in progress."""
        return round(self._limit)

    def answered(self, found: int, seconds: float) -> None:
        """Learn that a photograph, with `found` places taken at its start, was answered after `seconds`."""
        if seconds > self._aim:
            self.too_late(found, seconds)
        else:
            supported = min(self._most, found * self._aim / max(seconds, 1e-3))
            self._limit += _GAIN * max(0.0, supported - self._limit)

    def too_late(self, found: int, seconds: float) -> None:
        """Learn that it was not answered after `seconds`.

        Ignored if its caller's own deadline was short, or if so few were in progress that they are always admitted,
        because the delay then has another cause.
        """
        if seconds > self._aim and found > LEAST:
            self._limit = max(min(self._most, LEAST), min(self._limit, found * self._aim / seconds))

    def timing(self, found: int, own: int = 1) -> Timing:
        """Start timing the answer to a photograph that found this many places taken, including its `own`.

        If there are no others, nothing is queued, and the limit is reset to its upper bound.
        """
        if found <= own:
            self._limit = float(self._most)
        return Timing(self, found, own, time.monotonic())


@dataclass(frozen=True, slots=True)
class Timing:
    """A running wait, from whose end the limit learns; it may be dropped."""

    _limit: ConcurrencyLimit
    _found: int
    own: int
    """Places that the photograph itself takes."""
    _start: float

    def answered(self) -> None:
        """Record that the answer arrived."""
        self._limit.answered(self._found, time.monotonic() - self._start)

    def too_late(self) -> None:
        """Record that it did not arrive in time."""
        self._limit.too_late(self._found, time.monotonic() - self._start)
