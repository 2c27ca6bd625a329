"""Jumps of the clock: what was to be done by a moment of the old clock is to be done as much later, or sooner."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_LEAST: Final = 1.0
"""Seconds; what is less comes of setting a clock gently, or of looking at two of them one after the other."""
_LONGEST: Final = 3_600.0
"""Seconds that anything lives whose moments are translated."""


@dataclass(frozen=True, slots=True)
class _Jump:
    """From one time to another, unix seconds; `seen` by the clock that never jumps."""

    before: float
    after: float
    seen: float

    @property
    def size(self) -> float:
        return self.after - self.before


class Jumps:
    """The jumps that this process has seen. A machine that was asleep has a clock that jumped."""

    def __init__(self, now: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        """`now`: the clock, unix seconds. `steady`: one that never jumps."""
        self._now = now
        self._steady = steady
        self._offset = now() - steady()
        self._jumps: list[_Jump] = []

    def look(self) -> None:
        """To be called every few seconds: a jump is told from drifting by the time between two looks."""
        steady = self._steady()
        offset = self._now() - steady
        if abs(offset - self._offset) >= _LEAST:
            self._jumps.append(_Jump(self._offset + steady, offset + steady, steady))
        self._offset = offset
        # later, moments of the new clock would look like some of the old
        self._jumps = [each for each in self._jumps if steady - each.seen < min(_LONGEST, abs(each.size) / 2)]

    def since(self, moment: float) -> float:
        """Seconds by which the clock has jumped since `moment`, unix seconds of a little while ago: how much is to be
        added to what was reckoned then. Negative where it was set back."""
        self.look()
        added = 0.0
        for jump in self._jumps:
            if abs(moment + added - jump.before) < abs(moment + added - jump.after):
                added += jump.size
        return added


jumps: Final = Jumps()
"""Those of this process."""


async def watch() -> None:
    """Look, for the life of the process."""
    while True:
        jumps.look()
        await asyncio.sleep(_LEAST)
