"""The places of one process for messages in progress, where one queue goes before another."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

PAUSE: Final = 0.05
"""Seconds for which the first queue must have had a free place before the second one gets it: between two messages of
a queue that is not empty, a place is free for a moment."""


class Places:
    """Counts the messages in progress of two queues. The first queue never waits; as long as messages wait in it, it
    occupies all places, and none of the second is begun.

    Other processes need not be asked: a message of the first queue goes to any process that has a free place for it.
    """

    def __init__(self, number: int) -> None:
        """`number`: as many as the first queue can have in progress."""
        self._number = number
        self._first = 0
        self._second = 0
        self._free_since = -math.inf
        """When the first queue last had a place again after it had them all, seconds of the monotonic clock."""
        self._changed = asyncio.Event()
        self._stopped = False

    def stop(self) -> None:
        """Nothing of the second queue is begun any more."""
        self._stopped = True
        self._changed.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """While a message of the first queue is in progress."""
        self._first += 1
        try:
            yield
        finally:
            if self._first >= self._number:
                self._free_since = time.monotonic()
            self._first -= 1
            self._changed.set()

    @asynccontextmanager
    async def second(self) -> AsyncIterator[bool]:
        """Wait for a place for the second queue and hold it, while its message is fetched too; False after `stop`."""
        if not await self._free():
            yield False
            return
        self._second += 1
        try:
            yield True
        finally:
            self._second -= 1
            self._changed.set()

    async def _free(self) -> bool:
        while not self._stopped:
            wait = self._free_since + PAUSE - time.monotonic()
            if self._first + self._second >= self._number:
                self._changed.clear()
                await self._changed.wait()
            elif wait > 0:
                await asyncio.sleep(wait)
            else:
                return True
        return False
