"""When requests are due, whatever has become of those before them: an open loop, as real clients are one."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import time
from collections.abc import AsyncIterator, Iterable, Iterator


def steady(rate: float) -> Iterator[float]:
    """Seconds between arrivals at a steady rate, of so many a second."""
    return itertools.repeat(1 / rate)


def poisson(rate: float, seed: int = 0) -> Iterator[float]:
    """Seconds between arrivals that know nothing of each other, so many a second on average; the same for a seed."""
    chance = random.Random(seed)
    while True:
        yield chance.expovariate(rate)


async def due(gaps: Iterable[float], seconds: float = math.inf) -> AsyncIterator[float]:
    """The moments at which requests are due within `seconds`, each once it has come; seconds of the monotonic clock.

    Whoever is late does not move the next ones.
    """
    start = moment = time.monotonic()
    for gap in gaps:
        if moment - start >= seconds:
            return
        await asyncio.sleep(moment - time.monotonic())
        yield moment
        moment += gap
