"""The index in use: filled from stored results and corrections, and asked."""

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
"""Seconds after which the stream is read unasked, should the word of a result have been lost."""
_EXPIRE_EVERY: Final = 60.0
_PAUSE: Final = 2.0


@dataclass(slots=True)
class _Source:
    """A stream that the index follows: how its messages are taken in, and what is forgotten when it is made anew."""

    stream: Stream
    subject: str
    take: Callable[[Connection, Sequence[Record]], None]
    forget: Callable[[Connection], None]
    created: str = ""
    known: int = 0
    """The number of the last message that is in the index."""


class Index:
    """The database, kept up to date until `stop`, and the answers to questions."""

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
        self._news = asyncio.Event()
        self._asking = asyncio.Semaphore(CONNECTIONS - 1)
        self.complete = asyncio.Event()
        """Set once everything that was stored is in the index."""
        self.behind = 0
        """Results that are not in the index yet, when last looked."""

    async def run(self, stop: asyncio.Event) -> None:
        """Fill the index, and remove what expires, until `stop`."""

        async def on_news(_: bytes) -> None:
            self._news.set()

        await self._bus.subscribe(subjects.STORED_RESULTS, on_news)
        await self._bus.subscribe(subjects.changed(topology.CORRECTIONS, ">"), on_news)
        self._bus.connection.on_reconnect(self._news.set)
        metrics.before_scrape("reads", self._look)
        filling = [asyncio.create_task(self._again(work, stop)) for work in (self._fill, self._expire)]
        await stop.wait()
        self._news.set()
        await asyncio.gather(*filling)

    async def ask(self, request: reads_pb2.ReadsRequest) -> dict[str, Any]:
        """The answer to a question.

        Raises:
            BadRequest: the question makes no sense.
            EngineUnavailable: the database does not answer, or not in time.
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

    async def _again(self, work: Callable[[asyncio.Event], Any], stop: asyncio.Event) -> None:
        """Work until `stop`; after an outage of NATS or the database, go on."""
        while not stop.is_set():
            try:
                await work(stop)
            except EngineUnavailable as error:
                log.warning("reads_not_indexed", error=error.detail)
                await _wait(stop, _PAUSE)

    async def _fill(self, stop: asyncio.Event) -> None:
        sources = [await self._begun(source) for source in self._sources]
        while not stop.is_set():
            self._news.clear()
            if any([await self._advance(source) for source in sources]):
                continue
            self.behind = 0
            self.complete.set()
            await _wait(self._news, _RECHECK)
            if [await self._created(source) for source in sources] != [source.created for source in sources]:
                return

    async def _begun(self, source: _Source) -> _Source:
        """A stream, and where to go on in it; what came from one that was made anew since is forgotten."""
        created = await self._created(source)

        def begin(connection: Connection) -> int:
            known = writing.position(connection, source.stream.name, created)
            if not known:
                source.forget(connection)
                writing.advance(connection, source.stream.name, created, 0)
            return known

        return replace(source, created=created, known=await self._write(begin))

    async def _advance(self, source: _Source) -> bool:
        """Take in the next messages of a stream; whether there were any."""
        records = await source.stream.read(source.subject, source.known + 1, BATCH)
        if not records:
            return False
        last = records[-1].sequence

        def take(connection: Connection) -> int:
            writing.position(connection, topology.RESULTS, "")  # a read and its correction may come at the same time
            known = writing.position(connection, source.stream.name, source.created)
            if fresh := [record for record in records if record.sequence > known]:
                source.take(connection, fresh)
                writing.advance(connection, source.stream.name, source.created, last)
            return max(last, known)

        source.known = await self._write(take)
        return True

    async def _created(self, source: _Source) -> str:
        return str((await source.stream.info() or {}).get("created", ""))

    async def _expire(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            state = await self._results.state() or {}
            sequence = int(state.get("first_seq", 0))

            def begin(connection: Connection) -> int:
                writing.position(connection, topology.RESULTS, "")  # so that nobody changes what is counted
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

    async def _look(self) -> None:
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
}


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
