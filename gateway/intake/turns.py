"""Limits the share of the event loop that parsing uploads may take, all of them together."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

TURN: Final = 0.002
"""Seconds of parsing in one round of the event loop; then other tasks run."""


class Turns:
    """Lets parsers of uploads take turns, so that many at once block the event loop no longer than one does."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._since: float | None = None
        """When the first parser ran in this round; None if none has."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Return in a round that has time left for parsing. Call it before parsing each slice."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._since, self._waiting = loop, None, deque()
        if self._since is None:
            self._begin(loop)
        elif self._waiting or time.perf_counter() - self._since > TURN:
            waiting: asyncio.Future[None] = loop.create_future()
            self._waiting.append(waiting)
            await waiting

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._since = time.perf_counter()
        loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a new round: the parser that has waited longest runs, the others in later rounds."""
        self._since = None
        while self._waiting and self._since is None:
            if not (waiting := self._waiting.popleft()).done():
                waiting.set_result(None)
                self._begin(loop)


TURNS: Final = Turns()
"""Shared by all uploads of this process."""
