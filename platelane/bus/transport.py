"""Writes to NATS: large messages go out in pieces, so that the event loop is not blocked and nothing is copied."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final
from urllib.parse import ParseResult

from nats.aio.transport import TcpTransport

LARGE: Final = 1 << 20
"""Bytes from which a message is written in pieces."""
_PIECE: Final = 256 << 10


class PiecewiseTransport(TcpTransport):
    """Keeps large data until `drain`, which the client library calls next, and writes it there piece by piece."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._waiting: deque[memoryview] = deque()

    def __bool__(self) -> bool:
        """Always true: the library would replace a transport that is false, because not connected yet, by its own."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Discard data for the previous connection: it is lost, like data that was already on its way."""
        self._waiting.clear()
        await super().connect(uri, buffer_size, connect_timeout)

    def write(self, payload: bytes) -> None:
        self.writelines([payload])

    def writelines(self, payload: Iterable[bytes]) -> None:
        if self._io_writer is None:
            return
        lines = list(payload)
        if not self._waiting and sum(map(len, lines)) < LARGE:
            super().writelines(lines)  # type: ignore[no-untyped-call]
        else:
            self._waiting.extend(map(memoryview, lines))

    async def drain(self) -> None:
        while self._waiting:
            line = self._waiting.popleft()
            if len(line) > _PIECE:
                self._waiting.appendleft(line[_PIECE:])
                line = line[:_PIECE]
            super().write(line)  # type: ignore[no-untyped-call]
            await super().drain()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)
        if self._io_writer is not None:
            await super().drain()  # type: ignore[no-untyped-call]
