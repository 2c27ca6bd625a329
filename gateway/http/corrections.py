"""`/v1/reads/{id}/correction`, `/v1/reads/accuracy` and `/v1/reads/corrections.zip`."""

from __future__ import annotations

import asyncio
import csv
import io
import zipfile
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.corrections import Correction, Corrections
from gateway.http.disconnect import address
from gateway.http.json_body import read_document
from gateway.http.open_streams import OpenStreams
from gateway.http.query import limited, read_id
from gateway.http.reads import MAX_WORD, MOST_EXPORTS
from gateway.http.responses import JsonResponse
from gateway.kept_pictures import KeptPictures, Subject
from platelane.bus import Bus, questions
from platelane.errors import BadRequest, NotFound
from platelane.pb.v1 import reads_pb2
from platelane.read_id import ReadId

MOST_IN_FOLDER: Final = 50_000
"""The most plates in one folder; only the newest are included."""
_PAGE: Final = 200
_AT_ONCE: Final = 8
"""Pictures that are fetched at once."""
_PATH: Final = "/v1/reads/{read}/correction"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
"""A fixed time, so that the same folder has the same bytes."""


class CorrectionRoutes:
    """Corrections; an account sees and changes those of its own reads."""

    def __init__(self, bus: Bus, corrections: Corrections, pictures: KeptPictures, accounts: Accounts) -> None:
        self._bus = bus
        self._corrections = corrections
        self._pictures = pictures
        self._accounts = accounts
        self._folders = OpenStreams("folders", MOST_EXPORTS)

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route(_PATH, self.put, methods=["PUT"]),
            Route(_PATH, self.delete, methods=["DELETE"]),
            Route("/v1/reads/accuracy", self.accuracy, methods=["GET"]),
            Route("/v1/reads/corrections.zip", self.folder, methods=["GET"]),
        ]

    async def put(self, request: Request) -> Response:
        owner = self._owner(request)
        read = read_id(request)
        correction = await read_document(request, Correction)
        await self._corrections.put(read, correction, owner)
        return JsonResponse(correction.model_dump(exclude_none=True))

    async def delete(self, request: Request) -> Response:
        await self._corrections.delete(read_id(request), self._owner(request))
        return Response(status_code=204)

    async def accuracy(self, request: Request) -> Response:
        """How many plates have been reviewed, and how many of them had been read correctly."""
        wanted = reads_pb2.ReadFilter(account=self._owner(request))
        if limited(request.query_params, "by", MAX_WORD) not in ("", "camera"):
            raise BadRequest("by must be camera.")
        question = reads_pb2.ReadsRequest(filter=wanted, measure_accuracy=reads_pb2.MeasureAccuracy())
        return JsonResponse(await questions.ask(self._bus, question))

    async def folder(self, request: Request) -> Response:
        """The reviewed plates, as a folder for `platelane learn`."""
        account = self._accounts.of(request.headers.get("authorization"))
        owner, client = account.owner, account.client(address(request))
        self._folders.check(client)
        pages = self._pages(owner)
        first = await anext(pages)  # so that a missing index is an error, and not a truncated stream
        headers = {"Content-Disposition": 'attachment; filename="corrections.zip"', "Cache-Control": "no-store"}
        counted = self._folders.counted(client, self._zipped(first, pages, owner))
        return StreamingResponse(counted, media_type="application/zip", headers=headers)

    async def _pages(self, owner: str) -> AsyncIterator[list[dict[str, Any]]]:
        wanted = reads_pb2.ReadFilter(account=owner, reviewed=True)
        cursor: str | None = ""
        for _ in range(MOST_IN_FOLDER // _PAGE):
            question = reads_pb2.SearchReads(page_size=_PAGE, cursor=cursor)
            page = await questions.ask(self._bus, reads_pb2.ReadsRequest(filter=wanted, search=question))
            yield page["reads"]
            cursor = page["next"]
            if cursor is None:
                return

    async def _zipped(
        self, first: list[dict[str, Any]], more: AsyncIterator[list[dict[str, Any]]], owner: str
    ) -> AsyncIterator[bytes]:
        out = _Out()
        rows = [("file", "text", "region")]
        with zipfile.ZipFile(out, "w") as folder:  # pictures are compressed already
            async for reads in _chained(first, more):
                for some in (reads[start : start + _AT_ONCE] for start in range(0, len(reads), _AT_ONCE)):
                    pictures = await asyncio.gather(*(self._picture(read["id"], owner) for read in some))
                    for read, picture in zip(some, pictures, strict=True):
                        if picture:
                            rows.append(_row(read))
                            folder.writestr(zipfile.ZipInfo(rows[-1][0], _LONG_AGO), picture)
                    yield out.taken()
            folder.writestr(zipfile.ZipInfo("plates.csv", _LONG_AGO), _csv(rows))
        yield out.taken()

    async def _picture(self, read: str, owner: str) -> bytes:
        """The picture of a plate; empty if none is kept."""
        try:
            return await self._pictures.of_read(ReadId.parse(read), Subject.PLATE, owner)
        except NotFound:
            return b""

    def _owner(self, request: Request) -> str:
        return self._accounts.of(request.headers.get("authorization")).owner


class _Out(io.RawIOBase):
    """Buffers what is written until it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """What was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def _chained(
    first: list[dict[str, Any]], more: AsyncIterator[list[dict[str, Any]]]
) -> AsyncIterator[list[dict[str, Any]]]:
    yield first
    async for page in more:
        yield page


def _row(read: dict[str, Any]) -> tuple[str, str, str]:
    said = read["correction"] or {}
    region = said.get("region", read["region"]["code"])
    return f"{read['id']}.webp", said.get("plate", read["plate"]), "" if region == "unknown" else region


def _csv(rows: Iterable[tuple[str, str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
