"""Past results from the stream that keeps them: filters and pages."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from platelane.bus import Bus, questions, subjects, topology
from platelane.bus.streams import Record
from platelane.errors import EngineUnavailable
from platelane.pb.v1 import reads_pb2, stages_pb2
from platelane.rest_json import recognition_body
from platelane.webhooks.wildcards import fits

PAGE: Final = 50
MAX_PAGE: Final = 200
_CHUNK: Final = 250
_MAX_READS: Final = 8
"""The most requests to NATS for one page; results beyond them come on the next page."""
_ID_TIME_DIGITS: Final = 12
_ID_SKEW: Final = 60.0
"""Seconds that a gateway's clock may be ahead of NATS'."""
_INDEX_PATIENCE: Final = 3.0
"""Seconds after which the stream is searched instead."""
_CLOCK_SKEW: Final = 3_600.0
"""Seconds that a camera's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Query:
    """A filter of results; times are those of the pictures, in unix seconds."""

    account: str
    camera: str | None = None
    plate: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def subject(self) -> str:
        """The subject of all results that can match."""
        return subjects.ALL_RESULTS if self.camera is None else subjects.results(self.camera)

    def takes(self, result: stages_pb2.Result) -> bool:
        """Whether a result on the subject matches."""
        recognition = result.recognition
        seen = recognition.timestamp_us / 1e6
        return (
            self.account in ("", result.account)
            and (self.since is None or seen >= self.since)
            and (self.until is None or seen < self.until)
            and (self.plate is None or any(fits(self.plate, each.plate.text) for each in recognition.sightings))
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Results, newest first, and where the next page begins; None on the last page."""

    results: list[dict[str, Any]]
    before: int | None


class History:
    """The stream of results, read by sequence."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stream = bus.stream(topology.RESULTS)

    async def bounds(self) -> tuple[int, int]:
        """The sequence numbers of the oldest result and of the next one."""
        state = await self._stream.state() or {}
        return int(state.get("first_seq", 1)), int(state.get("last_seq", 0)) + 1

    async def of_job(self, job_id: str) -> stages_pb2.Result | None:
        """The stored result of a job."""
        record = await self._of_job(job_id)
        return stages_pb2.Result.FromString(record.data) if record else None

    async def by_id(self, job_id: str, account: str) -> dict[str, Any] | None:
        """The result of a job, as in a page; None if there is none that `account` may see."""
        record = await self._of_job(job_id)
        found = _wanted(Query(account), [record]) if record else []
        return found[0] if found else None

    async def _of_job(self, job_id: str) -> Record | None:
        """The job's id says when it began, so only few results are searched."""
        begun = int(job_id[:_ID_TIME_DIGITS], 16) / 1e3
        if begun > time.time() + _CLOCK_SKEW:
            return None  # not an id of ours, so it may contain no valid time
        return await self._stream.first_on(subjects.result_of_job(job_id), max(0.0, begun - _ID_SKEW))

    async def page(self, query: Query, before: int | None, size: int) -> Page:
        """Up to `size` matching results before sequence `before`. The work is bounded, so a page may hold fewer.

        Plates are looked up in the index of reads; while that is away, the stream is searched.
        """
        if query.plate is not None:
            with contextlib.suppress(EngineUnavailable):
                return await self._indexed(query, before, size)
        return await self._searched(query, before, size)

    async def _indexed(self, query: Query, before: int | None, size: int) -> Page:
        wanted = reads_pb2.ReadFilter(
            account=query.account,
            plate=query.plate or "",
            match=reads_pb2.PLATE_MATCH_WILDCARD,
            camera_id=query.camera,
            after_us=None if query.since is None else round(query.since * 1e6),
            before_us=None if query.until is None else round(query.until * 1e6),
        )
        question = reads_pb2.FindResults(page_size=size + 1, before=before or 0)
        request = reads_pb2.ReadsRequest(filter=wanted, find_results=question)
        numbers: list[int] = (await questions.ask(self._bus, request, _INDEX_PATIENCE))["numbers"]
        page = numbers[:size]
        found = await asyncio.gather(*(self._stream.read(subjects.ALL_RESULTS, number, 1) for number in page))
        records = [
            record for some, number in zip(found, page, strict=True) for record in some if record.sequence == number
        ]
        return Page(_wanted(query, records), page[-1] if len(numbers) > size else None)

    async def _searched(self, query: Query, before: int | None, size: int) -> Page:
        first, end = await self.bounds()
        end = end if before is None else min(end, before)
        found: list[dict[str, Any]] = []
        width = _CHUNK
        for _ in range(_MAX_READS):
            if end <= first:
                return Page(found, None)
            start = max(first, end - width)
            stored = await self._stream.read(query.subject, start, _CHUNK)
            records = [record for record in stored if record.sequence < end]
            if len(records) == _CHUNK and width > _CHUNK:
                width = max(_CHUNK, width // 8)  # more than one read returns: read a narrower range
                continue
            for record in reversed(records):
                end = record.sequence
                if query.since is not None and record.stored < query.since - _CLOCK_SKEW:
                    return Page(found, None)
                found += _wanted(query, [record])
                if len(found) == size:
                    return Page(found, end if end > first else None)
            end = start
            width = width * 4 if len(records) < _CHUNK // 4 else width
        return Page(found, end if end > first else None)


def _wanted(query: Query, records: list[Record]) -> list[dict[str, Any]]:
    wanted = []
    for record in records:
        try:
            result = stages_pb2.Result.FromString(record.data)
        except DecodeError:
            continue
        if query.takes(result):
            wanted.append(result_body(record.sequence, result))
    return wanted


def result_body(sequence: int, result: stages_pb2.Result) -> dict[str, Any]:
    """A stored result as JSON values: the answer to its request, its id, and its number in the stream."""
    return {"id": result.recognition.id, "sequence": sequence, **recognition_body(result.recognition)}
