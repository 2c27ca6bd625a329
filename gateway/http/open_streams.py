"""Limits how many long answers are sent to one client at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

from platelane.errors import Overloaded


class OpenStreams:
    """The open streams of one kind, by client."""

    def __init__(self, kind: str, most: int) -> None:
        """`kind`: the name in error messages, in the plural; `most`: limit per client."""
        self._kind = kind
        self._most = most
        self._open: Counter[str] = Counter()

    def check(self, client: str) -> None:
        """Raises Overloaded if the client has reached its limit."""
        if self._open[client] >= self._most:
            raise Overloaded(f"This client already has {self._most} open {self._kind}, which is the limit.")

    async def counted(self, client: str, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
        """The body of an answer, which counts while it is sent; empty if the limit was reached meanwhile."""
        if self._open[client] >= self._most:
            return
        self._open[client] += 1
        try:
            async for part in body:
                yield part
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
