"""The middleware around every HTTP request: metrics, traces, CORS, canonical paths, cross-site checks."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from opentelemetry.trace import SpanKind
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http import csrf
from gateway.http.responses import error_response
from platelane.errors import Forbidden
from platelane.runtime import metrics, tracing
from platelane.runtime.settings import Settings

METHODS: Final = ("GET", "POST", "OPTIONS")
"""Methods that pages of other sites may use; the others are for the operator's own tools."""
_MEASURED: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """Measures and traces requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _MEASURED else "other"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with metrics.request("rest", method) as measured, tracing.received(f"HTTP {method}", headers, SpanKind.SERVER):

            async def send_measured(message: Message) -> None:
                if message["type"] == "http.response.start":
                    measured.status = str(message["status"])
                await send(message)

            await self._app(scope, receive, send_measured)


class CanonicalPaths:
    """Normalises paths, since clients append and double slashes: `//info/` becomes `/info`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # a slash that is part of a name, such as a camera's, is sent as %2F
            parts = scope["raw_path"].decode("latin-1").split("/")
            scope = {**scope, "path": "/" + "/".join(unquote(part) for part in parts if part)}
        await self._app(scope, receive, send)


class OwnPages:
    """Refuses pages of other sites on all paths that are not explicitly open to them, including future paths."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and csrf.guarded(scope["path"]):
            try:
                csrf.refuse_cross_site(Request(scope), self._settings)
            except Forbidden as error:
                app = error_response(error.status, error.detail)
        await app(scope, receive, send)


STACK: Final = (
    Middleware(Metrics),
    Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=METHODS,
        allow_headers=["*"],
        allow_private_network=True,  # a public page may use a server in its visitor's network
        expose_headers=["Location", "Preference-Applied", "Retry-After"],
        max_age=86_400,
    ),
    Middleware(CanonicalPaths),
)
"""From the outermost to the innermost, without `OwnPages`, which needs the settings."""


def wrapped(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application inside all middleware, which also sees its error answers."""
    for cls, args, kwargs in reversed((*STACK, Middleware(OwnPages, settings))):
        app = cls(app, *args, **kwargs)
    return app
