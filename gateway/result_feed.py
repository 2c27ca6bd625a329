"""Results as they are stored, for any number of followers in this process: the feed of `/v1/events` and `Subscribe`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

import structlog
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Record
from platelane.errors import EngineUnavailable
from platelane.pb.v1 import stages_pb2

log = structlog.get_logger(__name__)

_PAGE: Final = 64
_RECHECK: Final = 2.0
"""Seconds after which the stream is read anyway: a replica may lag behind the one that announced a result."""


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result and its number in the stream."""

    sequence: int
    result: stages_pb2.Result


@dataclass(eq=False, slots=True)
class _Follower:
    """A follower of the feed. `camera` is a subject token; None for all cameras."""

    camera: str | None
    news: asyncio.Event = field(default_factory=asyncio.Event)


class ResultFeed:
    """Follows the stream RESULTS until `stop`.

    NATS announces each stored result with a message of a few bytes; every follower then reads on from its position, at
    its own pace. So a slow follower takes no memory, and an outage leaves no gap.
    """

    def __init__(self, bus: Bus, stop: asyncio.Event) -> None:
        self._bus = bus
        self._stop = stop
        self._stream = bus.stream(topology.RESULTS)
        self._followers: set[_Follower] = set()

    async def start(self) -> None:
        """Listen for announcements, for the life of the process."""
        await self._bus.client.subscribe(subjects.STORED_RESULTS, cb=self._on_stored)
        self._bus.connection.on_reconnect(self._wake_all)
        self._bus.connection.spawn(self._wake_at_stop())

    async def bounds(self) -> tuple[int, int]:
        """The sequence numbers of the oldest result and of the next one.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        state = await self._stream.state() or {}
        return int(state.get("first_seq", 1)), int(state.get("last_seq", 0)) + 1

    async def follow(
        self, start: int, cameras: frozenset[str], quiet: float
    ) -> AsyncGenerator[list[StoredResult], None]:
        """Results from number `start` on, of these cameras (empty: of all), in the order in which they were stored.

        Yields them page by page, and an empty page whenever `quiet` seconds have passed without any. Ends at `stop`.

        Raises:
            EngineUnavailable: the connection to NATS has ended for good.
        """
        only = next(iter(cameras)) if len(cameras) == 1 else None
        subject = subjects.ALL_RESULTS if only is None else subjects.results(only)
        follower = _Follower(None if only is None else subjects.encode(only))
        self._followers.add(follower)
        loop = asyncio.get_running_loop()
        quiet_until = loop.time() + quiet
        try:
            while not self._stop.is_set():
                follower.news.clear()
                records = await self._read(subject, start)
                if records:
                    start = records[-1].sequence + 1
                if found := _results(records, cameras):
                    yield found
                    quiet_until = loop.time() + quiet
                elif loop.time() >= quiet_until:
                    yield []
                    quiet_until = loop.time() + quiet
                if not records:
                    await _wait(follower.news, min(_RECHECK, quiet_until - loop.time()))
        finally:
            self._followers.discard(follower)

    async def _read(self, subject: str, start: int) -> list[Record]:
        """The next page; waits for the end of an outage."""
        while not self._stop.is_set():
            try:
                return await self._stream.read(subject, start, _PAGE)
            except EngineUnavailable:
                if self._bus.client.is_closed:
                    raise
                log.warning("results_unreadable")
        return []

    async def _on_stored(self, message: Msg) -> None:
        camera = message.subject.split(".")[2]
        for follower in self._followers:
            if follower.camera in (None, camera):
                follower.news.set()

    def _wake_all(self) -> None:
        for follower in self._followers:
            follower.news.set()

    async def _wake_at_stop(self) -> None:
        await self._stop.wait()
        self._wake_all()


def _results(records: list[Record], cameras: frozenset[str]) -> list[StoredResult]:
    found = []
    for record in records:
        try:
            result = stages_pb2.Result.FromString(record.data)
        except DecodeError:
            log.error("undecodable_result", sequence=record.sequence)
            continue
        if not cameras or result.recognition.camera_id in cameras:
            found.append(StoredResult(record.sequence, result))
    return found


async def _wait(news: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
