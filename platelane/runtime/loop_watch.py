"""How long the event loop is held by one thing at a time, while everybody else waits."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from platelane.runtime import metrics

_TICK: Final = 0.02
"""Seconds between two looks."""


async def watch() -> None:
    """Measure, for the life of the process. What the machine took for others, as far as can be told, is left out."""
    loop = asyncio.get_running_loop()
    longest = 0.0
    while True:
        looked, used = loop.time(), time.thread_time()
        await asyncio.sleep(_TICK)
        late = loop.time() - looked - _TICK
        held = max(0.0, min(late, time.thread_time() - used))
        metrics.LOOP_HELD_SECONDS.observe(held)
        if held > longest:
            longest = held
            metrics.LOOP_LONGEST.set(longest)
