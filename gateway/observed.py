"""Measures every HTTP request, around whatever answers it."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platelane import metrics

_KNOWN: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """An ASGI application whose requests are metrics."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with metrics.request("rest", scope["method"] if scope["method"] in _KNOWN else "other") as noted:

            async def send_noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    noted.status = str(message["status"])
                await send(message)

            await self._app(scope, receive, send_noted)
