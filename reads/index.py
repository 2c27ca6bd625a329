"""Fills the index from stored results and corrections, and answers queries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import orjson
import structlog
from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Record, Stream
from platelane.errors import BadRequest, EngineUnavailable
from platelane.pb.v1 import reads_pb2, stages_pb2
from platelane.runtime import metrics
from reads import queries, writing
from reads.engine import CONNECTIONS

T = TypeVar("T")
log = structlog.get_logger(__name__)

BATCH: Final = 250
_RECHECK: Final = 2.0
"""Seconds after which the stream is read anyway, in case a notification was lost."""
_PACE: Final = 0.2
"""Seconds between two transactions while results keep coming; one costs hardly more for five results than for one."""
_EXPIRE_EVERY: Final = 60.0
_PAUSE: Final = 2.0


@dataclass(slots=True)
class _Source:
    """A stream that the index follows. `take` indexes messages; `forget` clears all if the stream was recreated."""

    stream: Stream
    subject: str
    take: Callable[[Connection, Sequence[Record]], None]
    forget: Callable[[Connection], None]
    created: str = ""
    known: int = 0
    """The sequence number of the last indexed message."""


class Index:
    """Keeps the database up to date, and answers queries."""

    def __init__(self, bus: Bus, engine: Engine) -> None:
        self._bus = bus
        self._engine = engine
        self._limit = bus.settings.reads_limit
        self._results = bus.stream(topology.RESULTS)
        self._sources = (
            _Source(self._results, subjects.ALL_RESULTS, _add, writing.forget_all),
            _Source(
                bus.stream(topology.KV_CORRECTIONS), subjects.correction("*.*"), _correct, writing.forget_corrections
            ),
        )
        self._due = {source.stream.name for source in self._sources}
        """The streams to read from: those with news."""
        self._news = asyncio.Event()
        self._asking = asyncio.Semaphore(CONNECTIONS - 1)
        self.complete = asyncio.Event()
        """Set once all stored results are in the index."""
        self.behind = 0
        """Results that were not in the index yet at the last scrape."""

    async def run(self, stop: asyncio.Event) -> None:
        """Fill the index, and remove expired reads, until `stop`."""

        async def on_result(_: bytes) -> None:
            self._read_again(topology.RESULTS)

        async def on_correction(_: bytes) -> None:
            self._read_again(topology.KV_CORRECTIONS)

        await self._bus.subscribe(subjects.STORED_RESULTS, on_result)
        await self._bus.subscribe(subjects.changed(topology.CORRECTIONS, ">"), on_correction)
        self._bus.connection.on_reconnect(self._read_all_again)
        metrics.before_scrape("reads", self._update_metrics)
        filling = [asyncio.create_task(self._restarting(work, stop)) for work in (self._fill, self._expire)]
        await stop.wait()
        self._news.set()
        await asyncio.gather(*filling)

    async def ask(self, request: reads_pb2.ReadsRequest) -> dict[str, Any]:
        """The answer to a query.

        Raises:
            BadRequest: the query is invalid.
            EngineUnavailable: the database does not answer in time.
        """
        name = request.WhichOneof("question")
        if name is None:
            raise BadRequest("The request is empty.")
        answer = _ANSWERS[name]
        question = getattr(request, name)
        async with self._asking:
            return await asyncio.to_thread(
                self._transact, lambda connection: answer(connection, request.filter, question)
            )

    async def _restarting(self, work: Callable[[asyncio.Event], Any], stop: asyncio.Event) -> None:
        """Run `work` until `stop`, and again after an outage of NATS or the database."""
        while not stop.is_set():
            try:
                await work(stop)
            except EngineUnavailable as error:
                log.warning("reads_not_indexed", error=error.detail)
                await _wait(stop, _PAUSE)

    def _read_again(self, *streams: str) -> None:
        self._due.update(streams)
        self._news.set()

    def _read_all_again(self) -> None:
        self._read_again(*(source.stream.name for source in self._sources))

    async def _fill(self, stop: asyncio.Event) -> None:
        sources = [await self._opened(source) for source in self._sources]
        self._read_all_again()
        while not stop.is_set():
            self._news.clear()
            due, self._due = self._due, set()
            indexed = [await self._advance(source) for source in sources if source.stream.name in due]
            if BATCH in indexed:
                self._read_again(*due)
                continue
            self.behind = 0
            self.complete.set()
            if any(indexed):
                await _wait(stop, _PACE)
            elif [await self._created(source) for source in sources] != [source.created for source in sources]:
                return
            if not await _wait(self._news, _RECHECK):
                self._read_all_again()

    async def _opened(self, source: _Source) -> _Source:
        """The source with its position in the stream; if the stream was recreated, its old messages are forgotten."""
        created = await self._created(source)

        def begin(connection: Connection) -> int:
            known = writing.position(connection, source.stream.name, created)
            if not known:
                source.forget(connection)
                writing.advance(connection, source.stream.name, created, 0)
            return known

        return replace(source, created=created, known=await self._write(begin))

    async def _advance(self, source: _Source) -> int:
        """Index the next messages of a stream; returns how many there were, at most `BATCH`."""
        records = await source.stream.read(source.subject, source.known + 1, BATCH)
        if not records:
            return 0
        last = records[-1].sequence

        def take(connection: Connection) -> int:
            writing.position(connection, topology.RESULTS, "")  # lock: a read and its correction may come together
            known = writing.position(connection, source.stream.name, source.created)
            if fresh := [record for record in records if record.sequence > known]:
                source.take(connection, fresh)
                writing.advance(connection, source.stream.name, source.created, last)
            return max(last, known)

        source.known = await self._write(take)
        return len(records)

    async def _created(self, source: _Source) -> str:
        return str((await source.stream.info() or {}).get("created", ""))

    async def _expire(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            state = await self._results.state() or {}
            sequence = int(state.get("first_seq", 0))

            def begin(connection: Connection) -> int:
                writing.position(connection, topology.RESULTS, "")  # lock: nobody may change what is being counted
                return writing.first_kept(connection, sequence, self._limit)  # noqa: B023

            first = await self._write(begin)

            def expire(connection: Connection) -> int:
                writing.position(connection, topology.RESULTS, "")
                return writing.expire(connection, first)  # noqa: B023

            while await self._write(expire) == writing.EXPIRED_AT_ONCE:
                await asyncio.sleep(0)
            await _wait(stop, _EXPIRE_EVERY)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._transact, work, writes=True)

    def _transact(self, work: Callable[[Connection], T], *, writes: bool = False) -> T:
        try:
            with self._engine.connect() as connection:
                connection = connection.execution_options(writes=writes)
                with connection.begin():
                    return work(connection)
        except DBAPIError as error:
            raise EngineUnavailable(f"The database of reads does not answer: {error.orig}") from error
        except SQLAlchemyError as error:
            raise EngineUnavailable(f"The database of reads cannot be used: {type(error).__name__}") from error

    async def _update_metrics(self) -> None:
        with contextlib.suppress(EngineUnavailable):
            state = await self._results.state() or {}
            created = str((await self._results.info() or {}).get("created", ""))
            known = await self._write(lambda connection: writing.position(connection, topology.RESULTS, created))
            self.behind = max(0, int(state.get("last_seq", 0)) - known)
            metrics.READS_BEHIND.set(self.behind)


def _add(connection: Connection, records: Sequence[Record]) -> None:
    stored = []
    for record in records:
        try:
            stored.append(writing.Stored(record.sequence, stages_pb2.Result.FromString(record.data)))
        except DecodeError:
            log.error("undecodable_result", sequence=record.sequence)
    writing.add(connection, stored)
    metrics.READS_INDEXED.inc(len(stored))


def _correct(connection: Connection, records: Sequence[Record]) -> None:
    for record in records:
        said = None
        if record.data:
            try:
                said = dict(orjson.loads(record.data))
            except (ValueError, TypeError):
                log.error("undecodable_correction", sequence=record.sequence)
                continue
        writing.correct(connection, record.subject.removeprefix(subjects.correction("")), said)


_ANSWERS: Final[dict[str, Callable[[Connection, reads_pb2.ReadFilter, Any], dict[str, Any]]]] = {
    "search": queries.search,
    "group": queries.group,
    "count": queries.count,
    "find_results": queries.find_results,
    "list_cameras": lambda connection, wanted, _: queries.cameras(connection, wanted),
    "measure_accuracy": lambda connection, wanted, _: queries.accuracy(connection, wanted),
    "count_corrections": lambda connection, wanted, _: queries.corrections(connection, wanted),
}


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set within so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
