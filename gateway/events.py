"""`/v1/events/`, results as they come (server-sent events), and `/v1/results/`, those of the past."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from nats.aio.msg import Msg
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.history import LARGEST_PAGE, PAGE, History, Query, query_of
from gateway.origins import refuse_foreign_pages
from gateway.responses import JsonResponse
from platelane.bus import Bus, subjects
from platelane.errors import BadRequest, EngineUnavailable, Forbidden, Overloaded
from platelane.settings import Settings

MOST_LISTENERS: Final = 200
KEEP_ALIVE: Final = 15.0
"""Seconds between comments, without which proxies take a quiet stream for a dead one."""
_AT_ONCE: Final = 50
_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(eq=False, slots=True)
class _Listener:
    """Somebody who reads events; `news` is set when there may be some."""

    camera: str | None
    news: asyncio.Event = field(default_factory=asyncio.Event)


class EventRoutes:
    """The API over the stream of results."""

    def __init__(self, bus: Bus, accounts: Accounts, settings: Settings, stop: asyncio.Event) -> None:
        self._bus = bus
        self._accounts = accounts
        self._settings = settings
        self._stop = stop
        self._history = History(bus)
        self._listeners: set[_Listener] = set()

    async def start(self) -> None:
        """Hear of every result that is stored, and of the end."""
        await self._bus.client.subscribe(subjects.STORED_RESULTS, cb=self._on_stored)
        self._bus.connection.on_reconnect(self._wake_all)
        self._bus.connection.spawn(self._wake_at_stop())

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/v1/events", self.events, methods=["GET"]),
            Route("/v1/results", self.results, methods=["GET"]),
        ]

    async def results(self, request: Request) -> Response:
        """A page, the newest first; `next` is the address of the following one."""
        query = query_of(request.query_params, self._account(request))
        size = min(LARGEST_PAGE, max(1, _number(request, "page_size") or PAGE))
        page = await self._history.page(query, _number(request, "before"), size)
        return JsonResponse({"results": page.results, "next": _next(request, page.before)})

    async def events(self, request: Request) -> Response:
        """Events from now on, or those after the `Last-Event-ID` that the client has seen."""
        query = query_of(request.query_params, self._account(request))
        if len(self._listeners) >= MOST_LISTENERS:
            raise Overloaded("There are as many listeners as this server takes.")
        first, following = await self._history.bounds()
        seen = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
        # an id from another life of the stream is ahead of it
        start = max(first, min(int(seen) + 1, following)) if re.fullmatch("[0-9]{1,18}", seen) else following
        return StreamingResponse(self._stream(request, query, start), media_type="text/event-stream", headers=_HEADERS)

    async def _stream(self, request: Request, query: Query, position: int) -> AsyncIterator[bytes]:
        listener = _Listener(None if query.camera is None else subjects.encode(query.camera))
        self._listeners.add(listener)
        try:
            yield b"retry: 1000\n\n"
            while not self._stop.is_set():
                listener.news.clear()
                try:
                    found, last = await self._history.after(query, position, _AT_ONCE)
                    if found:
                        self._account(request)
                except (EngineUnavailable, Forbidden):
                    return  # the client comes again with the last id it has seen, or to hear that its token is revoked
                if found:
                    yield b"".join(_event(each) for each in found)
                if last is not None:
                    position = last + 1
                elif not await self._news(listener):
                    yield b": nothing new\n\n"
        finally:
            self._listeners.discard(listener)

    async def _news(self, listener: _Listener) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_ALIVE):
                await listener.news.wait()
                return True
        return False

    async def _on_stored(self, message: Msg) -> None:
        camera = message.subject.split(".")[2]
        for listener in self._listeners:
            if listener.camera in (None, camera):
                listener.news.set()

    def _wake_all(self) -> None:
        for listener in self._listeners:
            listener.news.set()

    async def _wake_at_stop(self) -> None:
        await self._stop.wait()
        self._wake_all()

    def _account(self, request: Request) -> str:
        """Empty on-premise, where everybody sees everything."""
        refuse_foreign_pages(request, self._settings)
        account = self._accounts.of(request.headers.get("authorization"))
        return "" if self._settings.profile == "sdk" else account.id


def _event(result: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: image.done\ndata: %s\n\n" % (result["sequence"], orjson.dumps(result))


def _next(request: Request, before: int | None) -> str | None:
    if before is None:
        return None
    return f"/v1/results/?{urlencode({**request.query_params, 'before': before})}"


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"{name} has to be a whole number.")
    return int(text)
