"""Clocks that are set while photographs are on their way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.places import own_clock, set_clock

_HOUR: Final = 3_600
_SECONDS: Final = 10.0


async def _set(ahead: int, scene: Scene) -> None:
    """The fault is the step: what comes after it is to work by the new time."""
    set_clock(scene.folder, ahead)
    scene.end()
    await asyncio.sleep(_SECONDS)


_AS: Final = "of all processes but nats-server"
FAULTS: Final = (
    Fault("clock-forward", f"the clock {_AS} jumps an hour ahead", partial(_set, _HOUR), place=own_clock),
    Fault("clock-back", f"the clock {_AS} jumps back by an hour", partial(_set, 0), place=own_clock),
)
