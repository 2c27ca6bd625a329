"""Measures for how long the event loop is blocked at a time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from platelane.runtime import metrics

_TICK: Final = 0.02
"""Seconds between two measurements."""


async def watch() -> None:
    """Measure for the life of the process. Time that the machine gave to other processes is excluded if possible."""
    loop = asyncio.get_running_loop()
    longest = 0.0
    while True:
        started, used = loop.time(), time.thread_time()
        await asyncio.sleep(_TICK)
        late = loop.time() - started - _TICK
        held = max(0.0, min(late, time.thread_time() - used))
        metrics.LOOP_HELD_SECONDS.observe(held)
        if held > longest:
            longest = held
            metrics.LOOP_LONGEST.set(longest)
