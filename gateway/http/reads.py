"""`/v1/reads/`: single plates of the past, searched, grouped, counted and exported; and `/v1/cameras/`."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.http.disconnect import address
from gateway.http.open_streams import OpenStreams
from gateway.http.query import limited, moment, number, plate_or_pattern
from gateway.http.responses import JsonResponse
from gateway.intake.fields import flag
from platelane import times
from platelane.bus import Bus, questions, subjects
from platelane.errors import BadRequest
from platelane.pb.v1 import reads_pb2
from platelane.runtime.settings import Settings
from platelane.webhooks.watchlists import Watchlist, WatchlistStore
from platelane.webhooks.wildcards import is_pattern

PAGE: Final = 50
MAX_PAGE: Final = 200
EXPORT_PAGE: Final = 500
MOST_EXPORTS: Final = 8
"""At once, of one token, or, on-premise, of one address."""
MAX_WORD: Final = 100
"""Characters of a region, make, colour or type."""
MATCHES: Final = {
    "exact": reads_pb2.PLATE_MATCH_EXACT,
    "wildcard": reads_pb2.PLATE_MATCH_WILDCARD,
    "near": reads_pb2.PLATE_MATCH_NEAR,
}
BY_WATCHLIST: Final = "watchlist"
COUNTED: Final = ("hour", "day", "camera", "region", "make", "color", "score", "new", BY_WATCHLIST)
"""Fields by which reads can be counted."""
MAX_CURSOR: Final = 60
Marking = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""Characters that spreadsheets interpret as the beginning of a formula."""
_COLUMNS: Final = (
    *("id", "plate", "corrected", "time", "camera_id", "score", "dscore", "region"),
    *("type", "make", "model", "color", "orientation", "direction"),
)


class ReadRoutes:
    """Queries of the index of reads; an account only sees its own reads."""

    def __init__(self, bus: Bus, accounts: Accounts, lists: WatchlistStore, settings: Settings) -> None:
        self._bus = bus
        self._accounts = accounts
        self._lists = lists
        self._settings = settings
        self._exports = OpenStreams("exports", MOST_EXPORTS)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/v1/reads", self.search, methods=["GET"]),
            Route("/v1/reads/export", self.export, methods=["GET"]),
            Route("/v1/reads/groups", self.groups, methods=["GET"]),
            Route("/v1/reads/analytics", self.analytics, methods=["GET"]),
            Route("/v1/cameras", self.cameras, methods=["GET"]),
        ]

    async def search(self, request: Request) -> Response:
        """A page of reads, newest first; `next` is the cursor of the next page."""
        wanted, marked = self._filter(request), self._marking(request)
        question = reads_pb2.SearchReads(page_size=_page_size(request), cursor=_text(request, "cursor", MAX_CURSOR))
        page = await self._ask(reads_pb2.ReadsRequest(filter=wanted, search=question))
        page["reads"] = await asyncio.to_thread(marked, page["reads"])
        return JsonResponse(page)

    async def groups(self, request: Request) -> Response:
        """Reads grouped by plate."""
        question = reads_pb2.GroupReads(page_size=_page_size(request))
        return JsonResponse(await self._ask(reads_pb2.ReadsRequest(filter=self._filter(request), group=question)))

    async def analytics(self, request: Request) -> Response:
        """How many reads there are by hour, camera and so on."""
        by = _text(request, "by", MAX_WORD)
        if by not in COUNTED:
            raise BadRequest(f"by must be one of {', '.join(COUNTED)}.")
        if by == BY_WATCHLIST:
            wanted = read_filter(request.query_params, self._owner(request))
            lists = self._chosen(request)
            counts = await asyncio.gather(*(self._watched(wanted, each) for each in lists))
            buckets = [{"key": each.name, "count": number} for each, number in zip(lists, counts, strict=True)]
            return JsonResponse({"by": by, "buckets": sorted(buckets, key=lambda each: -each["count"])})
        question = reads_pb2.CountReads(by=by)
        return JsonResponse(await self._ask(reads_pb2.ReadsRequest(filter=self._filter(request), count=question)))

    async def export(self, request: Request) -> Response:
        """All matching reads as CSV or JSON, in the order of the pages."""
        format = _text(request, "format", MAX_WORD) or "csv"
        if format not in ("csv", "json"):
            raise BadRequest("format must be csv or json.")
        client = self._accounts.of(request.headers.get("authorization")).client(address(request))
        self._exports.check(client)
        pages = self._pages(self._filter(request), self._marking(request))
        first = await anext(pages)  # so that an invalid query is an error, and not a truncated stream
        body, kind = (_csv, "text/csv; charset=utf-8") if format == "csv" else (_json, "application/json")
        headers = {"Content-Disposition": f'attachment; filename="reads.{format}"', "Cache-Control": "no-store"}
        counted = self._exports.counted(client, body(first, pages))
        return StreamingResponse(counted, media_type=kind, headers=headers)

    async def cameras(self, request: Request) -> Response:
        """The cameras that have sent pictures, the most recent one first."""
        wanted = reads_pb2.ReadFilter(account=self._owner(request))
        listing = reads_pb2.ListCameras()
        found = (await self._ask(reads_pb2.ReadsRequest(filter=wanted, list_cameras=listing)))["cameras"]
        kept = self._settings.keeps_crops
        return JsonResponse([camera | {"picture": _picture(camera["camera_id"]) if kept else None} for camera in found])

    async def _watched(self, wanted: reads_pb2.ReadFilter, watchlist: Watchlist) -> int:
        """How many of the matching reads are of plates on each list."""
        of_list = reads_pb2.ReadFilter(watched=[watched(watchlist)])
        of_list.MergeFrom(wanted)
        question = reads_pb2.CountReads(by="new")
        answer = await self._ask(reads_pb2.ReadsRequest(filter=of_list, count=question))
        return sum(bucket["count"] for bucket in answer["buckets"])

    async def _ask(self, question: reads_pb2.ReadsRequest) -> dict[str, Any]:
        return await questions.ask(self._bus, question)

    async def _pages(self, wanted: reads_pb2.ReadFilter, marked: Marking) -> AsyncIterator[list[dict[str, Any]]]:
        cursor: str | None = ""
        while cursor is not None:
            question = reads_pb2.SearchReads(page_size=EXPORT_PAGE, cursor=cursor)
            page = await self._ask(reads_pb2.ReadsRequest(filter=wanted, search=question))
            cursor = page["next"]
            yield await asyncio.to_thread(marked, page["reads"])

    def _marking(self, request: Request) -> Marking:
        """Add to reads the watch-lists that contain their plates."""
        hits = self._lists.matcher(self._owner(request))

        def marked(reads: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                read
                | {
                    "watchlists": hits(
                        (read["correction"] or {}).get("plate") or read["plate"],
                        times.microseconds(times.parse(read["time"])),
                    )
                }
                for read in reads
            ]

        return marked

    def _filter(self, request: Request) -> reads_pb2.ReadFilter:
        """Raises BadRequest if there is no such watch-list, and as `read_filter`."""
        wanted = read_filter(request.query_params, self._owner(request))
        if _text(request, "watchlist", MAX_WORD):
            wanted.watched.extend(map(watched, self._chosen(request)))
        return wanted

    def _chosen(self, request: Request) -> list[Watchlist]:
        """The watch-lists with the id or name in the request; all lists if it has none. Raises BadRequest."""
        lists, named = self._lists.all(self._owner(request)), _text(request, "watchlist", MAX_WORD)
        chosen = [each for each in lists if not named or named in (each.id, each.name)]
        if named and not chosen:
            raise BadRequest(f"There is no watch-list {named!r}.")
        return chosen

    def _owner(self, request: Request) -> str:
        return self._accounts.of(request.headers.get("authorization")).owner


def read_filter(parameters: Mapping[str, str], account: str) -> reads_pb2.ReadFilter:
    """The filter of a request. Empty values count as missing.

    Raises:
        BadRequest: a value cannot be used.
    """
    plate = plate_or_pattern(parameters)
    match = limited(parameters, "match", MAX_WORD) or ("wildcard" if is_pattern(plate) else "exact")
    if match not in MATCHES:
        raise BadRequest(f"match must be one of {', '.join(MATCHES)}.")
    if match != "wildcard" and is_pattern(plate):
        raise BadRequest(f"plate {plate!r} is a pattern, which match={match} does not accept: use match=wildcard.")
    after, before = moment(parameters, "after"), moment(parameters, "before")
    camera, first_seen = parameters.get("camera_id"), parameters.get("first_seen")
    if camera:
        subjects.encode(camera)  # raises if it is too long
    return reads_pb2.ReadFilter(
        account=account,
        plate=plate,
        match=MATCHES[match],
        camera_id=camera or None,
        score_min=_score(parameters),
        after_us=times.microseconds(after) if after else None,
        before_us=times.microseconds(before) if before else None,
        first_seen=flag(first_seen) if first_seen else None,
        region=limited(parameters, "region", MAX_WORD),
        make=limited(parameters, "make", MAX_WORD),
        color=limited(parameters, "color", MAX_WORD),
        type=limited(parameters, "type", MAX_WORD),
    )


def watched(watchlist: Watchlist) -> reads_pb2.Watched:
    """A watch-list in the form that the index needs."""
    plates = [
        reads_pb2.WatchedPlate(
            text=each.plate,
            from_us=times.microseconds(each.valid_from) if each.valid_from else None,
            to_us=times.microseconds(each.valid_to) if each.valid_to else None,
        )
        for each in watchlist.plates
    ]
    return reads_pb2.Watched(plates=plates, distance=watchlist.distance)


def _score(parameters: Mapping[str, str]) -> float | None:
    text = parameters.get("score_min")
    if not text:
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise BadRequest("score_min must be a number from 0 to 1.")
    return score


def _text(request: Request, name: str, limit: int) -> str:
    return limited(request.query_params, name, limit)


def _page_size(request: Request) -> int:
    return min(MAX_PAGE, max(1, number(request.query_params, "page_size") or PAGE))


def _picture(camera_id: str) -> str:
    return f"/v1/cameras/{quote(camera_id, safe='')}/picture.webp"


async def _csv(first: list[dict[str, Any]], more: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[bytes]:
    yield _lines([_COLUMNS])
    yield _lines(map(_row, first))
    async for page in more:
        yield _lines(map(_row, page))


async def _json(first: list[dict[str, Any]], more: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[bytes]:
    yield b'{"reads":['
    yield b",".join(map(orjson.dumps, first))
    async for page in more:
        yield b"," + b",".join(map(orjson.dumps, page))
    yield b"]}"


def _row(read: Mapping[str, Any]) -> list[Any]:
    correction = read["correction"] or {}
    values = {
        **read,
        "corrected": correction.get("plate"),
        "region": read["region"]["code"],
        **read["vehicle"],
    }
    return [values[name] for name in _COLUMNS]


def _lines(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
