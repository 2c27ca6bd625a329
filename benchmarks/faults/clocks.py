"""Clocks that jump while photographs are in progress."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.places import own_clock, step_clock

_HOUR: Final = 3_600
_SECONDS: Final = 10.0


async def _step(seconds: int, scene: Scene) -> None:
    """The fault is only the jump; afterwards everything must work with the new time."""
    step_clock(scene.folder, seconds)
    scene.end()
    await asyncio.sleep(_SECONDS)


_AS: Final = "of all processes but nats-server"
FAULTS: Final = (
    Fault("clock-forward", f"the clock {_AS} jumps an hour ahead", partial(_step, _HOUR), place=own_clock),
    Fault("clock-back", f"the clock {_AS} jumps back by an hour", partial(_step, -_HOUR), place=own_clock),
)
