"""A copy of a small key-value bucket in memory, updated shortly after each change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from platelane.bus import subjects
from platelane.bus.client import Bus
from platelane.errors import EngineUnavailable, PlatelaneError

T = TypeVar("T")
log = structlog.get_logger(__name__)

RECONCILE_EVERY: Final = 2.0
"""Seconds between comparisons with the bucket itself: no change stays unnoticed for longer."""
_TURN: Final = 2.0
_PAGE: Final = 500
_DELETED: Final = {"KV-Operation": "DEL"}


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """`value` is None if the entry was deleted, or cannot be decoded."""

    sequence: int
    value: T | None
    deleted: bool


class Mirror(Generic[T]):
    """The entries of a bucket, decoded; keys are subject tokens joined by dots.

    The stream republishes what it stores as plain messages, any of which may be lost. So the mirror checks their
    sequence numbers, and reads the stream from the first missing one. Every `RECONCILE_EVERY` seconds it also asks for
    the stream's last sequence, which reveals the loss of the latest message, and streams that were recreated.
    """

    def __init__(
        self,
        bus: Bus,
        bucket: str,
        decode: Callable[[bytes], T],
        is_key: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`decode` raises ValueError for entries that it does not understand, which are then left out; `is_key` says
        which keys are valid."""
        self._bus = bus
        self._bucket = bucket
        self._decode = decode
        self._is_key = is_key
        self._stream = bus.stream(f"KV_{bucket}")
        self._entries: dict[str, _Entry[T]] = {}
        self._created = ""
        """When the stream of these entries was created."""
        self._position = 0
        """Nothing is missing up to this sequence."""
        self._check = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Read the bucket, and follow its changes from now on, for the life of the connection.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        await self._bus.client.subscribe(subjects.changed(self._bucket, ">"), cb=self._on_change)
        await self._reconcile()
        self._bus.connection.on_reconnect(self._check.set)
        self._bus.connection.spawn(self._follow())

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever an entry has changed."""
        self._listeners.append(listener)

    def get(self, key: str) -> T | None:
        """The value under a key."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    def sequence(self, key: str) -> int:
        """The sequence of a key's entry, for `put`; 0 if there has never been one."""
        entry = self._entries.get(key)
        return entry.sequence if entry else 0

    def items(self) -> Iterator[tuple[str, T]]:
        """All keys with their values."""
        return ((key, entry.value) for key, entry in self._entries.items() if entry.value is not None)

    def names(self) -> Iterator[str]:
        """All keys, including those of entries that cannot be decoded."""
        return (key for key, entry in self._entries.items() if not entry.deleted)

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Have no other change between a check of the entries, such as of their number, and the `put` that follows it:
        otherwise requests that come at once all pass the check.

        Raises:
            EngineUnavailable: others have had it for `_TURN` seconds, because NATS does not answer them.
        """
        try:
            async with asyncio.timeout(_TURN):
                await self._changing.acquire()
        except TimeoutError:
            raise EngineUnavailable("NATS has not stored earlier changes yet.") from None
        try:
            yield
        finally:
            self._changing.release()

    async def put(self, key: str, data: bytes, expected: int | None = None) -> bool:
        """Store an entry; this mirror has it at once, others a moment later.

        Returns False, and stores nothing, if the entry's sequence is no longer `expected` (0: no entry).

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
        self._notify()
        return True

    async def _on_change(self, message: Msg) -> None:
        sequence = int((message.headers or {})["Nats-Sequence"])
        self._keep(message.subject.removeprefix(subjects.changed(self._bucket, "")), sequence, message.data)
        if sequence == self._position + 1:
            self._position = sequence
        elif sequence > self._position:
            self._check.set()
        self._notify()

    async def _follow(self) -> None:
        warned = False
        while not self._bus.client.is_closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECONCILE_EVERY):
                    await self._check.wait()
            self._check.clear()
            try:
                await self._reconcile()
                warned = False
            except (PlatelaneError, NatsError) as error:
                if not warned:
                    log.warning("bucket_not_read", bucket=self._bucket, error=str(error))
                warned = True

    async def _reconcile(self) -> None:
        """Read missing entries, and drop entries that no longer exist."""
        info = await self._stream.info()
        if info is None:
            return
        if info["created"] != self._created or info["state"]["last_seq"] < self._position:
            # the stream was recreated; the old entries stay in use until the new ones have been read
            self._entries, self._position = await self._read({}, 0)
            self._created = info["created"]
            self._notify()
        elif info["state"]["last_seq"] > self._position:
            before = self._position
            self._entries, position = await self._read(self._entries, before)
            self._position = max(self._position, position)
            if position > before:
                self._notify()
        if len(self._entries) > info["state"]["messages"]:
            await self._forget_purged()

    async def _read(self, entries: dict[str, _Entry[T]], position: int) -> tuple[dict[str, _Entry[T]], int]:
        """The entries, updated with what the stream has after `position`; and the new position."""
        while page := await self._stream.read(subjects.entry(self._bucket, ">"), position + 1, _PAGE):
            for record in page:
                key = record.subject.removeprefix(subjects.entry(self._bucket, ""))
                self._keep(key, record.sequence, record.data, entries)
            position = page[-1].sequence
        return entries, position

    async def _forget_purged(self) -> None:
        """Drop entries that were purged without a deletion marker, according to the stream's leader."""
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
            self._notify()

    def _keep(self, key: str, sequence: int, data: bytes, entries: dict[str, _Entry[T]] | None = None) -> None:
        """Keep an entry, unless a later one is known. A deleted entry has no data."""
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

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()
