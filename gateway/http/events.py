"""`/v1/events/`: new results as server-sent events."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.http.disconnect import address
from gateway.http.query import results_query
from gateway.result_feed import ResultFeed, StoredResult
from gateway.results_query import Query, result_body
from platelane.errors import EngineUnavailable, Forbidden, Overloaded
from platelane.webhooks.matching import texts
from platelane.webhooks.watchlists import WatchlistStore

MAX_STREAMS: Final = 200
MOST_OF_CLIENT: Final = 50
"""Open streams of one token, or on-premise of one address."""
KEEP_ALIVE: Final = 15.0
"""Seconds between comments, without which proxies would close a quiet stream."""
_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventRoutes:
    """Streams of events over the feed of results."""

    def __init__(self, feed: ResultFeed, lists: WatchlistStore, accounts: Accounts) -> None:
        self._feed = feed
        self._lists = lists
        self._accounts = accounts
        self._open: Counter[str] = Counter()
        """Open streams by client."""

    def routes(self) -> list[Route]:
        """The path."""
        return [Route("/v1/events", self.events, methods=["GET"])]

    async def events(self, request: Request) -> Response:
        """Events from now on, or from the client's `Last-Event-ID` on."""
        account = self._account(request)
        client = account.client(address(request))
        query = results_query(request.query_params, account.owner)
        if self._open.total() >= MAX_STREAMS:
            raise Overloaded(f"There are already {MAX_STREAMS} open event streams, which is the limit.")
        if self._open[client] >= MOST_OF_CLIENT:
            raise Overloaded(f"This client already has {MOST_OF_CLIENT} open event streams, which is the limit.")
        first, following = await self._feed.bounds()
        request.state.endless = True
        seen = request.headers.get("last-event-id") or request.query_params.get("last_event_id") or ""
        return StreamingResponse(
            self._stream(request, client, query, position(seen, first, following)),
            media_type="text/event-stream",
            headers=_HEADERS,
        )

    async def _stream(self, request: Request, client: str, query: Query, start: int) -> AsyncIterator[bytes]:
        cameras = frozenset() if query.camera is None else frozenset({query.camera})
        if self._open[client] >= MOST_OF_CLIENT:
            return  # opened together with others
        self._open[client] += 1
        try:
            yield b"retry: 1000\n\n"
            async with aclosing(self._feed.follow(start, cameras, KEEP_ALIVE)) as feed:
                async for page in feed:
                    if not page:
                        yield b": keep-alive\n\n"
                        continue
                    self._account(request)  # ends the stream once its token is revoked
                    if wanted := [each for each in page if query.takes(each.result)]:
                        hits = self._lists.matcher(query.account)
                        yield b"".join(event(each, hits) for each in wanted)
        except (EngineUnavailable, Forbidden):
            return  # the client reconnects with the last id it has seen, or learns that its token was revoked
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    def _account(self, request: Request) -> Account:
        return self._accounts.of(request.headers.get("authorization"))


def position(seen: str, first: int, following: int) -> int:
    """The number of the first result to send to a client whose last event is `seen`; `following` is the next new one.

    An id from before the stream was recreated is ahead of it, and counts as the newest.
    """
    return max(first, min(int(seen) + 1, following)) if re.fullmatch("[0-9]{1,18}", seen) else following


def event(stored: StoredResult, hits: Callable[[str, int], list[str]]) -> bytes:
    """A result as a server-sent event; `hits` gives the watch-lists that contain a plate."""
    body = result_body(stored.sequence, stored.result)
    recognition = stored.result.recognition
    found = {text: names for text in texts(recognition) if (names := hits(text, recognition.timestamp_us))}
    if found:
        body["watchlists"] = list(dict.fromkeys(name for names in found.values() for name in names))
        body["hits"] = found
    return b"id: %d\nevent: image.done\ndata: %s\n\n" % (stored.sequence, orjson.dumps(body))
