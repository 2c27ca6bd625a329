"""JSON answers, and the answers to errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ExceptionHandler

from platelane.errors import PlatelaneError, Throttled, Unavailable, UnsupportedEncoding

log = structlog.get_logger(__name__)

_CLIENT_CLOSED: Final = 499


class JsonResponse(Response):
    """An answer with any JSON value."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def error_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """An error in the common shape: some clients read `detail`, others `error`."""
    return JsonResponse({"detail": detail, "error": detail, "status_code": status}, status, headers)


async def _platelane_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatelaneError)
    if error.status >= 500:
        log.warning("request_failed", path=request.url.path, status=error.status, error=error.detail)
    headers = {}
    if isinstance(error, Throttled | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, UnsupportedEncoding):
        headers["Accept-Encoding"] = ", ".join(error.accepted)
    return error_response(error.status, error.detail, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        headers = {"Allow": ", ".join(_methods(request))}
        if request.method == "OPTIONS":  # but for CORS preflights, which are answered before
            return Response(headers=headers)
        return error_response(405, f'Method "{request.method}" not allowed.', headers)
    detail = "Not found." if error.status_code == 404 else error.detail
    return error_response(error.status_code, detail, error.headers)


def _methods(request: Request) -> list[str]:
    """The methods of all routes of the request's path; the error only knows those of the first."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    found = (route.methods or () for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({"OPTIONS", *(method for methods in found for method in methods)})


async def _client_disconnected(_request: Request, _error: Exception) -> Response:
    """The client has disconnected, so this is not sent."""
    return Response(status_code=_CLIENT_CLOSED)


async def _internal_error(_request: Request, _error: Exception) -> Response:
    return error_response(500, "Internal server error.")


ERROR_HANDLERS: Final[Mapping[Any, ExceptionHandler]] = {
    PlatelaneError: _platelane_error,
    HTTPException: _http_error,
    ClientDisconnect: _client_disconnected,
    Exception: _internal_error,
}
