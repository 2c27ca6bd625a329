"""The places of one process for messages in progress, shared by two queues of different priority."""

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
    """Counts the messages in progress of two queues. The first queue has priority: it never waits, and while it has
    messages, it occupies all places, so none of the second queue is started.

    This needs no communication between processes: a message of the first queue goes to any process with a free place.
    """

    def __init__(self, number: int) -> None:
        """`number`: the most messages of the first queue that can be in progress."""
        self._number = number
        self._first = 0
        self._second = 0
        self._free_since = -math.inf
        """When the first queue last stopped occupying all places, in seconds of the monotonic clock."""
        self._changed = asyncio.Event()
        self._stopped = False

    def stop(self) -> None:
        """Start no more messages of the second queue."""
        self._stopped = True
        self._changed.set()

    @contextmanager
    def first(self) -> Iterator[None]:
        """Hold a place for a message of the first queue while the block runs."""
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
        """Wait for a place for the second queue, and hold it for fetching and handling a message; False if stopped."""
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
