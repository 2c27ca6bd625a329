"""Results as they are stored, for any number of subscribers of this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

import structlog
from nats.aio.msg import Msg

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Record, Stream
from platelane.errors import EngineUnavailable
from platelane.pb.v1 import stages_pb2

log = structlog.get_logger(__name__)

_PAGE: Final = 64
_LOOK_AGAIN: Final = 2.0
"""Seconds after which one looks unasked: a replica may not yet have had what another told of."""


class Results:
    """Follows the stream RESULTS.

    NATS tells that something was stored, with a message of a few bytes; each subscriber then reads on from where it is,
    at its own pace. So a slow one holds nothing in memory, and an outage leaves no gap.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stream = Stream(bus, topology.RESULTS)
        self._subscribers: set[asyncio.Event] = set()

    async def start(self) -> None:
        """Listen for what is stored, for the life of the process."""
        await self._bus.client.subscribe(subjects.STORED_RESULTS, cb=self._on_stored)
        self._bus.connection.on_reconnect(self._wake)

    async def end(self) -> int:
        """The sequence that the next result will at least have.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        state = await self._stream.state()
        return int(state["last_seq"]) + 1 if state else 1

    async def follow(self, start: int, camera_ids: frozenset[str]) -> AsyncGenerator[stages_pb2.Result, None]:
        """Every result from sequence `start` on, of these cameras (none: of all), in the order of their storage.

        Raises:
            EngineUnavailable: the connection to NATS has ended for good.
        """
        subject = subjects.results(*camera_ids) if len(camera_ids) == 1 else subjects.ALL_RESULTS
        stored = asyncio.Event()
        self._subscribers.add(stored)
        try:
            while True:
                stored.clear()
                for record in await self._read(subject, start):
                    start = record.sequence + 1
                    result = stages_pb2.Result.FromString(record.data)
                    if not camera_ids or result.recognition.camera_id in camera_ids:
                        yield result
                    stored.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await stored.wait()
        finally:
            self._subscribers.discard(stored)

    async def _read(self, subject: str, start: int) -> list[Record]:
        while True:
            try:
                return await self._stream.read(subject, start, _PAGE)
            except EngineUnavailable:
                if self._bus.client.is_closed:
                    raise
                log.warning("results_not_readable")

    async def _on_stored(self, _message: Msg) -> None:
        self._wake()

    def _wake(self) -> None:
        for stored in self._subscribers:
            stored.set()
