"""A small key-value bucket, all of it in memory, and a change there a moment after it is stored."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from nats.aio.msg import Msg
from nats.js.api import PubAck
from nats.js.errors import APIError

from platelane.bus import subjects
from platelane.bus.client import Bus
from platelane.bus.connection import FULL
from platelane.bus.streams import Stream
from platelane.errors import EngineUnavailable, Fault, Overloaded

T = TypeVar("T")
log = structlog.get_logger(__name__)

_PAGE: Final = 500
_DELETED: Final = {"KV-Operation": "DEL"}


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    sequence: int
    value: T | None


class Mirror(Generic[T]):
    """The entries of a bucket, decoded; keys are subject tokens joined by dots.

    The stream sends on what it has stored, as plain messages, and this listens; after a reconnect it reads everything
    anew. So looking something up asks nobody, and nothing has to be fetched again by the clock.
    """

    def __init__(self, bus: Bus, bucket: str, decode: Callable[[bytes], T]) -> None:
        """`decode` raises ValueError for what is not understood, which is then left out."""
        self._bus = bus
        self._bucket = bucket
        self._decode = decode
        self._stream = Stream(bus, f"KV_{bucket}")
        self._entries: dict[str, _Entry[T]] = {}
        self._changes: dict[str, _Entry[T]] = {}
        """Those since the last reading began, which may have missed them."""
        self._loading = asyncio.Lock()

    async def start(self) -> None:
        """Read what is there, and keep up from now on.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        await self._bus.client.subscribe(subjects.changed(self._bucket, ">"), cb=self._on_change)
        self._bus.connection.on_reconnect(lambda: self._bus.connection.spawn(self._reload()))
        await self._load()

    def get(self, key: str) -> T | None:
        """The value under a key."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    def items(self) -> Iterator[tuple[str, T]]:
        """All keys with their values."""
        return ((key, entry.value) for key, entry in self._entries.items() if entry.value is not None)

    async def put(self, key: str, data: bytes) -> None:
        """Store an entry; this mirror knows it at once, the others a moment later.

        Raises:
            Overloaded: the bucket is full.
            EngineUnavailable: NATS did not confirm in time.
        """
        self._apply(key, await self._store(key, data, None), data)

    async def delete(self, key: str) -> None:
        """Remove an entry. Raises as `put`."""
        self._apply(key, await self._store(key, b"", _DELETED), b"")

    async def _store(self, key: str, data: bytes, headers: dict[str, str] | None) -> int:
        deadline = time.time() + self._bus.settings.deadline
        try:
            answer = await self._bus.connection.ask(subjects.entry(self._bucket, key), data, deadline, headers)
        except APIError as error:
            if error.err_code in FULL:
                raise Overloaded(f"The bucket {self._bucket} is full: {error.description}.") from error
            raise Fault(f"NATS refuses an entry of {self._bucket}: {error.description}") from error
        return PubAck.from_response(answer).seq

    async def _on_change(self, message: Msg) -> None:
        key = message.subject.removeprefix(subjects.changed(self._bucket, ""))
        self._apply(key, int((message.headers or {})["Nats-Sequence"]), message.data)

    async def _reload(self) -> None:
        loaded = False
        while not loaded and not self._bus.client.is_closed:
            with contextlib.suppress(EngineUnavailable):
                await self._load()
                loaded = True

    async def _load(self) -> None:
        async with self._loading:
            self._changes = {}
            found: dict[str, _Entry[T]] = {}
            start = 1
            while page := await self._stream.read(subjects.entry(self._bucket, ">"), start, _PAGE):
                for record in page:
                    key = record.subject.removeprefix(subjects.entry(self._bucket, ""))
                    found[key] = self._entry(key, record.sequence, record.data)
                start = page[-1].sequence + 1
            self._entries = found
            for key, entry in self._changes.items():
                self._keep(key, entry)

    def _apply(self, key: str, sequence: int, data: bytes) -> None:
        self._changes[key] = self._entry(key, sequence, data)
        self._keep(key, self._changes[key])

    def _keep(self, key: str, entry: _Entry[T]) -> None:
        known = self._entries.get(key)
        if known is None or known.sequence < entry.sequence:
            self._entries[key] = entry

    def _entry(self, key: str, sequence: int, data: bytes) -> _Entry[T]:
        """What a message says; a deleted entry has no data."""
        try:
            return _Entry(sequence, self._decode(data) if data else None)
        except ValueError as error:
            log.error("undecodable_entry", bucket=self._bucket, key=key, error=str(error))
            return _Entry(sequence, None)
