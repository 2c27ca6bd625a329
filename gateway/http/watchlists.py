"""`/v1/watchlists/`: create, read, change and delete watch-lists."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.http.json_body import read_document
from platelane.errors import BadRequest, NotFound
from platelane.webhooks.registry import HookRegistry
from platelane.webhooks.watchlists import DOCUMENT_LIMIT, Watchlist, Watchlists, WatchlistSettings, WatchlistStore

_ALL: Final = "/v1/watchlists"
_ONE: Final = "/v1/watchlists/{watchlist}"


def routes(store: WatchlistStore, hooks: HookRegistry, accounts: Accounts) -> list[Route]:
    """The routes; each account only sees its own watch-lists."""

    def owner(request: Request) -> str:
        return accounts.of(request.headers.get("authorization")).owner

    def kept(request: Request) -> Watchlist:
        found = store.get(owner(request), request.path_params["watchlist"])
        if found is None:
            raise NotFound("There is no such watch-list.")
        return found

    async def every(request: Request) -> Response:
        return _json(Watchlists(results=tuple(store.all(owner(request)))))

    async def create(request: Request) -> Response:
        account = owner(request)
        sent = await read_document(request, WatchlistSettings, DOCUMENT_LIMIT)
        return _json(await store.create(account, sent), 201)

    async def read(request: Request) -> Response:
        return _json(kept(request))

    async def replace(request: Request) -> Response:
        kept(request)
        sent = await read_document(request, WatchlistSettings, DOCUMENT_LIMIT)
        changed = Watchlist(**dict(sent), id=kept(request).id)  # it may have been deleted while the body arrived
        await store.put(owner(request), changed)
        return _json(changed)

    async def remove(request: Request) -> Response:
        account, list_id = owner(request), kept(request).id
        users = [str(hook.id) for hook in hooks.all() if hook.account == account and list_id in hook.filter.watchlists]
        if users:
            raise BadRequest(f"Webhooks use this watch-list: {', '.join(users)}. Remove it from their filters first.")
        await store.delete(account, list_id)
        return Response(status_code=204)

    return [
        Route(_ALL, every, methods=["GET"]),
        Route(_ALL, create, methods=["POST"]),
        Route(_ONE, read, methods=["GET"]),
        Route(_ONE, replace, methods=["PUT"]),
        Route(_ONE, remove, methods=["DELETE"]),
    ]


def _json(content: Watchlist | Watchlists, status: int = 200) -> Response:
    return Response(content.model_dump_json(), status, media_type="application/json")
