"""A small key-value bucket, all of it in memory, and a change there a moment after it is stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from platelane.bus import subjects
from platelane.bus.client import Bus
from platelane.errors import PlatelaneError

T = TypeVar("T")
log = structlog.get_logger(__name__)

RECONCILE_EVERY: Final = 2.0
"""Seconds after which the bucket is compared, whatever messages came: no change stays unknown for longer."""
_PAGE: Final = 500
_DELETED: Final = {"KV-Operation": "DEL"}


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """`value` is None where it was deleted, or cannot be read."""

    sequence: int
    value: T | None
    deleted: bool


class Mirror(Generic[T]):
    """The entries of a bucket, decoded; keys are subject tokens joined by dots.

    The stream sends on what it has stored, as plain messages, of which any may be lost. So their sequence numbers are
    watched: where one is missing, the stream is read on from there. Every `RECONCILE_EVERY` seconds the stream itself
    is asked how far it is, which also finds the loss of the last message, and streams that were made anew.
    """

    def __init__(
        self,
        bus: Bus,
        bucket: str,
        decode: Callable[[bytes], T],
        is_key: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`decode` raises ValueError for what is not understood, which is then left out; `is_key` says which keys
        count at all."""
        self._bus = bus
        self._bucket = bucket
        self._decode = decode
        self._is_key = is_key
        self._stream = bus.stream(f"KV_{bucket}")
        self._entries: dict[str, _Entry[T]] = {}
        self._created = ""
        """When the stream was made that the entries are from."""
        self._position = 0
        """Up to this sequence nothing is missing."""
        self._look = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Read what is there, and keep up from now on, for the life of the connection.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        await self._bus.client.subscribe(subjects.changed(self._bucket, ">"), cb=self._on_change)
        await self._reconcile()
        self._bus.connection.on_reconnect(self._look.set)
        self._bus.connection.spawn(self._follow())

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever an entry has changed."""
        self._listeners.append(listener)

    def get(self, key: str) -> T | None:
        """The value under a key."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    def items(self) -> Iterator[tuple[str, T]]:
        """All keys with their values."""
        return ((key, entry.value) for key, entry in self._entries.items() if entry.value is not None)

    def names(self) -> Iterator[str]:
        """All keys, also of entries that cannot be read."""
        return (key for key, entry in self._entries.items() if not entry.deleted)

    async def put(self, key: str, data: bytes, expected: int | None = None) -> bool:
        """Store an entry; this mirror knows it at once, the others a moment later.

        False if the entry's sequence is not `expected` (0: there is none) any more; nothing is stored then.

        Raises:
            Overloaded: the bucket is full.
            EngineUnavailable: NATS did not confirm in time.
        """
        return await self._store(key, data, expected, None)

    async def delete(self, key: str) -> None:
        """Remove an entry. Raises as `put`."""
        await self._store(key, b"", None, _DELETED)

    async def _store(self, key: str, data: bytes, expected: int | None, headers: dict[str, str] | None) -> bool:
        sequence = await self._stream.put(subjects.entry(self._bucket, key), data, expected, headers)
        if sequence is None:
            return False
        self._keep(key, sequence, data)
        self._tell()
        return True

    async def _on_change(self, message: Msg) -> None:
        sequence = int((message.headers or {})["Nats-Sequence"])
        self._keep(message.subject.removeprefix(subjects.changed(self._bucket, "")), sequence, message.data)
        if sequence == self._position + 1:
            self._position = sequence
        elif sequence > self._position:
            self._look.set()
        self._tell()

    async def _follow(self) -> None:
        told = False
        while not self._bus.client.is_closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECONCILE_EVERY):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._reconcile()
                told = False
            except (PlatelaneError, NatsError) as error:
                if not told:
                    log.warning("bucket_not_read", bucket=self._bucket, error=str(error))
                told = True

    async def _reconcile(self) -> None:
        """Read what is missing, and forget what is not there any more."""
        info = await self._stream.info()
        if info is None:
            return
        if info["created"] != self._created or info["state"]["last_seq"] < self._position:
            # another stream; what is known stays in use until that one has been read
            self._entries, self._position = await self._read({}, 0)
            self._created = info["created"]
            self._tell()
        elif info["state"]["last_seq"] > self._position:
            before = self._position
            self._entries, position = await self._read(self._entries, before)
            self._position = max(self._position, position)
            if position > before:
                self._tell()
        if len(self._entries) > info["state"]["messages"]:
            await self._forget_purged()

    async def _read(self, entries: dict[str, _Entry[T]], position: int) -> tuple[dict[str, _Entry[T]], int]:
        """The entries with what the stream has behind `position`, and the new position."""
        while page := await self._stream.read(subjects.entry(self._bucket, ">"), position + 1, _PAGE):
            for record in page:
                key = record.subject.removeprefix(subjects.entry(self._bucket, ""))
                self._keep(key, record.sequence, record.data, entries)
            position = page[-1].sequence
        return entries, position

    async def _forget_purged(self) -> None:
        """Entries that were deleted without a trace; the stream's leader knows."""
        state = await self._stream.state(subjects.entry(self._bucket, ">")) or {}
        there = {subject.removeprefix(subjects.entry(self._bucket, "")) for subject in state.get("subjects") or ()}
        purged = [
            key
            for key, entry in self._entries.items()
            if key not in there and entry.sequence <= int(state.get("last_seq", 0))
        ]
        for key in purged:
            del self._entries[key]
        if purged:
            self._tell()

    def _keep(self, key: str, sequence: int, data: bytes, entries: dict[str, _Entry[T]] | None = None) -> None:
        """Take an entry in, unless a later one is known. A deleted entry has no data."""
        entries = self._entries if entries is None else entries
        known = entries.get(key)
        if known is None or known.sequence < sequence:
            entries[key] = _Entry(sequence, self._decoded(key, data) if data else None, not data)

    def _decoded(self, key: str, data: bytes) -> T | None:
        if not self._is_key(key):
            return None
        try:
            return self._decode(data)
        except ValueError as error:
            log.error("undecodable_entry", bucket=self._bucket, key=key, error=str(error))
            return None

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()
