"""Results of the past, out of the stream that keeps them: which of them are wanted, and pages of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.message import DecodeError

from platelane.answers import recognition_body
from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Record, Stream
from platelane.errors import BadRequest
from platelane.hooks.patterns import fits
from platelane.pb.v1 import stages_pb2

PAGE: Final = 50
LARGEST_PAGE: Final = 200
_CHUNK: Final = 250
_LOOKS: Final = 8
"""Requests to NATS for one page; what they do not find is left to the next page."""
_CLOCKS_DIFFER: Final = 3_600.0
"""Seconds that a camera's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which results are wanted; times are those of the pictures, unix seconds."""

    account: str
    camera: str | None = None
    plate: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def subject(self) -> str:
        """The subject of all results that can be wanted."""
        return subjects.ALL_RESULTS if self.camera is None else subjects.results(self.camera)

    def takes(self, result: stages_pb2.Result) -> bool:
        """Whether a result on the subject is wanted."""
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
    """Results, the newest first, and where the next page begins; None after the last."""

    results: list[dict[str, Any]]
    before: int | None


def query_of(parameters: Mapping[str, str], account: str) -> Query:
    """What a request asks for: `camera_id`, `plate` (a prefix, or a pattern with ? and *), `since`, `until`.

    Raises:
        BadRequest: a time is not in ISO 8601.
    """
    plate = parameters.get("plate")
    if plate and not set("*?") & set(plate):
        plate += "*"
    return Query(
        account=account,
        camera=parameters.get("camera_id"),
        plate=plate or None,
        since=_time(parameters, "since"),
        until=_time(parameters, "until"),
    )


class History:
    """The stream of results, read by sequence."""

    def __init__(self, bus: Bus) -> None:
        self._stream = Stream(bus, topology.RESULTS)

    async def bounds(self) -> tuple[int, int]:
        """The sequences of the oldest result and of the next one to come."""
        state = await self._stream.state() or {}
        return int(state.get("first_seq", 1)), int(state.get("last_seq", 0)) + 1

    async def after(self, query: Query, start: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Wanted results among the next `limit` from `start` on, and the last sequence seen; None if none is there."""
        records = await self._stream.read(query.subject, start, limit)
        return _wanted(query, records), records[-1].sequence if records else None

    async def page(self, query: Query, before: int | None, size: int) -> Page:
        """Up to `size` wanted results older than sequence `before`, with bounded work: a page may hold fewer."""
        first, end = await self.bounds()
        end = end if before is None else min(end, before)
        found: list[dict[str, Any]] = []
        width = _CHUNK
        for _ in range(_LOOKS):
            if end <= first:
                return Page(found, None)
            start = max(first, end - width)
            stored = await self._stream.read(query.subject, start, _CHUNK)
            records = [record for record in stored if record.sequence < end]
            if len(records) == _CHUNK and width > _CHUNK:
                width = max(_CHUNK, width // 8)  # more than one look can hold: a narrower one
                continue
            for record in reversed(records):
                end = record.sequence
                if query.since is not None and record.stored < query.since - _CLOCKS_DIFFER:
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
            body = recognition_body(result.recognition)
            wanted.append({"id": result.recognition.id, "sequence": record.sequence, **body})
    return wanted


def _time(parameters: Mapping[str, str], name: str) -> float | None:
    text = parameters.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} is not a time in ISO 8601, for example 2019-08-19T13:11:25Z.") from error
