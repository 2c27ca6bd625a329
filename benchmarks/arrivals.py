"""Times at which requests are due, regardless of earlier ones: an open loop, like real clients."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator


def steady(rate: float) -> Iterator[float]:
    """Seconds between arrivals at a steady rate per second."""
    return itertools.repeat(1 / rate)


def poisson(rate: float, seed: int = 0) -> Iterator[float]:
    """Seconds between independent arrivals at an average rate per second; reproducible by `seed`."""
    chance = random.Random(seed)
    while True:
        yield chance.expovariate(rate)


async def due(gaps: Iterable[float], seconds: float = math.inf) -> AsyncIterator[float]:
    """Yield the times at which requests are due within `seconds`, each when it has come; in monotonic seconds.

    If the consumer is late, later times do not shift.
    """
    start = moment = time.monotonic()
    for gap in gaps:
        if moment - start >= seconds:
            return
        await asyncio.sleep(moment - time.monotonic())
        yield moment
        moment += gap
