"""Whether NATS stores photographs. A server whose disk is full is there, and says nothing to what it cannot store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from platelane.bus.connection import Connection
from platelane.errors import EngineUnavailable

log = structlog.get_logger(__name__)

PATIENCE: Final = 4.0
"""Seconds without a word from a server that is there."""
_PAUSE: Final = 5.0
"""Seconds in which nobody else tries, after one has."""
_SLOWEST: Final = 16 << 20
"""Bytes a second."""


class Storage:
    """Stops photographs at once where the one before is not stored, but for one in a while that finds out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._works = True
        self._closed_until = 0.0
        connection.on_reconnect(self._working)  # a server that was started again works

    async def works(self) -> bool:
        """As far as is known, for the health page."""
        return self._works

    @contextmanager
    def storing(self, size: int) -> Iterator[None]:
        """Around the storing of one photograph of so many bytes.

        Raises:
            EngineUnavailable: it would only wait in vain.
        """
        if not self._works:
            if time.monotonic() < self._closed_until:
                raise EngineUnavailable("NATS does not store photographs: its storage may be full, or it hangs.")
            self._closed_until = time.monotonic() + _PAUSE
        watch = asyncio.get_running_loop().call_later(PATIENCE + size / _SLOWEST, self._silent)
        try:
            yield
        finally:
            watch.cancel()
        self._working()

    def _silent(self) -> None:
        if not self._connection.client.is_connected:
            return  # then photographs wait for it
        if self._works:
            log.error("nats_does_not_store")
        self._works = False
        self._closed_until = time.monotonic() + _PAUSE

    def _working(self) -> None:
        if not self._works:
            log.info("nats_stores_again")
        self._works = True
