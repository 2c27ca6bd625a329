"""Bounds how many calls of one client wait or stay open, so that nobody can take the places of all others."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from weakref import WeakValueDictionary

from platelane.errors import Overloaded

_SHARE: Final = 3 / 4
"""Of all places, that one client may have."""


class OpenCalls:
    """The open calls of one kind, in all and by client."""

    def __init__(self, kind: str, most_of_client: int, most: int) -> None:
        """`kind`: the name in error messages, in the plural. A client gets at most three quarters of `most`."""
        self._kind = kind
        self._most_of_client = min(most_of_client, _share(most))
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """Count a call during the block. Raises Overloaded if the client, or all together, have too many."""
        if self._open[client] >= self._most_of_client:
            raise Overloaded(f"This client already has {self._most_of_client} open {self._kind}, which is the limit.")
        if self._open.total() >= self._most:
            raise Overloaded(f"The server has reached its limit of open {self._kind}.")
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]


class Receiving:
    """Places for messages of unknown size to arrive; the calls of a client that has its share of them wait."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)
        self._share = _share(places)
        self._of_client: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Have a place during the block."""
        own = self._of_client.setdefault(client, asyncio.Semaphore(self._share))
        async with own, self._places:
            yield


def _share(places: int) -> int:
    return max(1, int(places * _SHARE))
