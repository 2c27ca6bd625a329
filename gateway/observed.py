"""Measures and traces every HTTP request, around whatever answers it."""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platelane import metrics, tracing

_KNOWN: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """An ASGI application whose requests are metrics and traces."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _KNOWN else "other"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with metrics.request("rest", method) as noted, tracing.received(f"HTTP {method}", headers, SpanKind.SERVER):

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    noted.status = str(message["status"])
                await send(message)

            await self._app(scope, receive, send_noted)
