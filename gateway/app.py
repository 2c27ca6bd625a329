"""The REST API on the paths that clients use, one thin function each."""

from __future__ import annotations

import secrets
import string
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final
from urllib.parse import unquote

import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import blur_api, documentation, regions_api, uploads, zones_api
from gateway.accounts import Account, Accounts
from gateway.events import EventRoutes
from gateway.hooks import HookRoutes
from gateway.leaving import while_connected
from gateway.recognizer import Answer, Photograph, Recognizer
from gateway.remote import Fetcher
from gateway.responses import JsonResponse, error_response
from gateway.zones import ZoneStore
from platelane.answers import Usage, recognition_body
from platelane.errors import PlatelaneError, Throttled, Unavailable
from platelane.settings import Settings

log = structlog.get_logger(__name__)

VERSION: Final = version("platelane")
PATHS: Final = ("/v1/plate-reader", "/alpr")

_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "86400",
}
_CLIENT_CLOSED: Final = 499
_PREFIX_ALPHABET: Final = string.ascii_uppercase + string.digits


def create_app(
    recognizer: Recognizer,
    accounts: Accounts,
    zones: ZoneStore,
    hooks: HookRoutes,
    events: EventRoutes,
    settings: Settings,
) -> ASGIApp:
    """The REST API as an ASGI application."""
    fetcher = Fetcher(settings)
    api = _Api(recognizer, accounts, fetcher, hooks, settings)
    routes = [Route(path, api.recognize, methods=["POST"]) for path in PATHS]
    routes += [
        Route("/", api.index, methods=["GET"]),
        Route("/info", api.info, methods=["GET"]),
        Route("/v1/statistics", api.statistics, methods=["GET"]),
        *documentation.routes(VERSION),
        *blur_api.routes(recognizer, accounts, fetcher, settings),
        *regions_api.routes(),
        *zones_api.routes(zones, accounts),
        *hooks.routes(),
        *events.routes(),
    ]
    starlette = Starlette(
        routes=routes,
        exception_handlers={
            PlatelaneError: _platelane_error,
            HTTPException: _http_error,
            ClientDisconnect: _client_gone,
            Exception: _internal_error,
        },
    )
    starlette.router.redirect_slashes = False
    return _Edge(starlette)


class _Api:
    def __init__(
        self, recognizer: Recognizer, accounts: Accounts, fetcher: Fetcher, hooks: HookRoutes, settings: Settings
    ) -> None:
        self._recognizer = recognizer
        self._accounts = accounts
        self._fetcher = fetcher
        self._hooks = hooks
        self._settings = settings

    async def index(self, _request: Request) -> Response:
        """Clients probe this before they upload: it asks nobody."""
        return JsonResponse({"name": "platelane", "version": VERSION, "recognition": "/v1/plate-reader/"})

    async def recognize(self, request: Request) -> Response:
        if _is_probe(request):
            # an installer asks like this whether the server is there, and takes any 4xx for a no
            return error_response(200, "There is no image: send it in the field upload.")
        account = self._account(request)
        with self._recognizer.admitted():
            await self._accounts.admit(account)
            recognition = self._recognizer.recognize(await self._photograph(request), account.id)
            return self._answer(await while_connected(request, recognition))

    async def _photograph(self, request: Request) -> Photograph:
        form = await uploads.read_form(request, self._settings, self._fetcher)
        photograph = uploads.photograph(form, self._settings.upload_limit)
        if self._settings.profile == "cloud":
            return replace(photograph, filename=_cloud_prefix(datetime.now(UTC)) + photograph.filename)
        return photograph

    def _answer(self, answer: Answer) -> Response:
        if self._settings.profile == "cloud":
            return JsonResponse(recognition_body(answer.recognition), status_code=201)
        usage = Usage(answer.calls, self._settings.max_calls)
        return JsonResponse(recognition_body(answer.recognition, usage=usage, zulu=False))

    async def statistics(self, request: Request) -> Response:
        account = self._account(request)
        now = datetime.now(UTC)
        resets_on = datetime(now.year + now.month // 12, now.month % 12 + 1, 1)
        usage = {
            "month": now.month,
            "calls": await self._accounts.calls(account),
            "year": now.year,
            "resets_on": f"{resets_on.isoformat()}Z",
        }
        return JsonResponse({"usage": usage, "total_calls": account.max_calls})

    async def info(self, request: Request) -> Response:
        account = self._account(request)
        return JsonResponse(
            {
                "version": VERSION,
                "license_key": "open-source",
                "total_calls": account.max_calls,
                "usage": {"calls": await self._accounts.calls(account)},
                "webhooks": self._hooks.targets(account),
            }
        )

    def _account(self, request: Request) -> Account:
        return self._accounts.of(request.headers.get("authorization"))


class _Edge:
    """Around everything: one spelling of each path, preflights, and the CORS headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await Response(headers=_CORS)(scope, receive, send)
        else:
            # a slash that is part of a name, as in a camera's, comes as %2F
            parts = scope["raw_path"].decode("latin-1").split("/")
            path = "/" + "/".join(unquote(part) for part in parts if part)
            await self._app({**scope, "path": path}, receive, _with_cors(send))


def _with_cors(send: Send) -> Send:
    async def send_with_cors(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_CORS)
        await send(message)

    return send_with_cors


def _is_probe(request: Request) -> bool:
    headers = request.headers
    bodiless = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    return bodiless and "content-type" not in headers


def _cloud_prefix(now: datetime) -> str:
    return f"{now:%H%M}_{''.join(secrets.choice(_PREFIX_ALPHABET) for _ in range(5))}_"


async def _platelane_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatelaneError)
    if error.status >= 500:
        log.warning("request_failed", path=request.url.path, status=error.status, error=error.detail)
    retry = {"Retry-After": str(error.retry_after)} if isinstance(error, Throttled | Unavailable) else None
    return error_response(error.status, error.detail, retry)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "Not found.", 405: f'Method "{request.method}" not allowed.'}
    return error_response(error.status_code, details.get(error.status_code, error.detail), error.headers)


async def _client_gone(_request: Request, _exception: Exception) -> Response:
    """Nobody reads this."""
    return Response(status_code=_CLIENT_CLOSED)


async def _internal_error(_request: Request, _exception: Exception) -> Response:
    return error_response(500, "Internal server error.")
