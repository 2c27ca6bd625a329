"""Detects whether NATS stores photographs. A server whose disk is full is connected, but does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from platelane.bus.connection import Connection
from platelane.errors import EngineUnavailable, Overloaded

log = structlog.get_logger(__name__)

PATIENCE: Final = 4.0
"""Seconds to wait for an answer from a connected server."""
_PAUSE: Final = 5.0
"""Seconds between two attempts while storing does not work."""
_SLOWEST: Final = 16 << 20
"""Bytes a second."""


class Storage:
    """Refuses photographs at once after one could not be stored, except for one in a while that probes NATS."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._works = True
        self._closed_until = 0.0
        self._stored = time.monotonic()
        connection.on_reconnect(self._working)  # a restarted server works again

    async def works(self) -> bool:
        """Whether storing works, as far as is known; for the health page."""
        return self._works

    async def store(self, storing: Callable[[], Awaitable[object]], size: int) -> None:
        """Await the storing of one photograph of `size` bytes.

        Raises:
            EngineUnavailable: NATS does not store it, or did not store the one before.
            Others: as `storing`.
        """
        finds_out, patience = not self._works, PATIENCE + size / _SLOWEST
        if finds_out:
            if time.monotonic() < self._closed_until:
                raise _unavailable()
            self._closed_until = time.monotonic() + patience + _PAUSE
        watch = asyncio.get_running_loop().call_later(patience, self._silent)
        try:
            async with asyncio.timeout(patience if finds_out else None) as limit:
                await storing()
        except Overloaded:
            self._working()
            raise
        except TimeoutError:
            if limit.expired():
                raise _unavailable() from None
            raise
        finally:
            watch.cancel()
            self._closed_until = time.monotonic() + _PAUSE
        self._working()

    def _silent(self) -> None:
        if not self._connection.client.is_connected or time.monotonic() - self._stored < PATIENCE:
            return  # photographs wait for a server that is away, and for one that is slow
        if self._works:
            log.error("nats_does_not_store")
        self._works = False
        self._closed_until = time.monotonic() + _PAUSE

    def _working(self) -> None:
        if not self._works:
            log.info("nats_stores_again")
        self._works, self._stored = True, time.monotonic()


def _unavailable() -> EngineUnavailable:
    return EngineUnavailable("NATS does not store photographs: its storage may be full, or it hangs.")
