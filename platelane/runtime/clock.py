"""Detects jumps of the clock, so that moments on the old clock can be translated to the new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_LEAST: Final = 1.0
"""Seconds; smaller differences come from gradual adjustment, or from reading the two clocks one after the other."""
_LONGEST: Final = 3_600.0
"""Longest lifetime, in seconds, of anything whose moments are translated."""


@dataclass(frozen=True, slots=True)
class _Jump:
    """From one time to another, in unix seconds; `seen` is on the clock that never jumps."""

    before: float
    after: float
    seen: float

    @property
    def size(self) -> float:
        return self.after - self.before


class Jumps:
    """The jumps that this process has seen. Suspending a machine counts as a jump too."""

    def __init__(self, now: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        """`now`: the clock, unix seconds. `steady`: one that never jumps."""
        self._now = now
        self._steady = steady
        self._offset = now() - steady()
        self._jumps: list[_Jump] = []

    def check(self) -> None:
        """Check for a jump. Call it every few seconds, because slow drift must not add up to a jump."""
        steady = self._steady()
        offset = self._now() - steady
        if abs(offset - self._offset) >= _LEAST:
            self._jumps.append(_Jump(self._offset + steady, offset + steady, steady))
        self._offset = offset
        # after that, moments on the new clock could be mistaken for moments on the old one
        self._jumps = [each for each in self._jumps if steady - each.seen < min(_LONGEST, abs(each.size) / 2)]

    def since(self, moment: float) -> float:
        """Seconds by which the clock has jumped since `moment` (recent unix seconds): add them to times computed then.
        Negative if the clock was set back."""
        self.check()
        added = 0.0
        for jump in self._jumps:
            if abs(moment + added - jump.before) < abs(moment + added - jump.after):
                added += jump.size
        return added


jumps: Final = Jumps()
"""The jumps that this process has seen."""


async def watch() -> None:
    """Check for jumps, for the life of the process."""
    while True:
        jumps.check()
        await asyncio.sleep(_LEAST)
