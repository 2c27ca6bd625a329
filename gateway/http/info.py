"""`/`, `/info/` and `/v1/statistics/`: that the server is up, its version, and the account's calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.http.page import page
from gateway.http.responses import JsonResponse
from gateway.http.static_files import prefers_html
from gateway.http.webhooks import WebhookRoutes
from platelane.usage import next_month


class InfoRoutes:
    """Information about the server and the caller's account."""

    def __init__(self, version: str, accounts: Accounts, hooks: WebhookRoutes) -> None:
        self._version = version
        self._accounts = accounts
        self._hooks = hooks

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/info", self.info, methods=["GET"]),
            Route("/v1/statistics", self.statistics, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """Clients probe this before they upload, so it does not wait for anything. A browser gets the console."""
        if prefers_html(request.headers):
            return page(request)
        body = {"name": "platelane", "version": self._version, "recognition": "/v1/plate-reader/"}
        return JsonResponse(body, headers={"Vary": "Accept"})

    async def info(self, request: Request) -> Response:
        """Version, usage and webhooks."""
        account = self._account(request)
        return JsonResponse(
            {
                "version": self._version,
                "license_key": "open-source",
                "total_calls": account.max_calls,
                "usage": {"calls": await self._accounts.calls(account)},
                "webhooks": self._hooks.targets(account),
            }
        )

    async def statistics(self, request: Request) -> Response:
        """Calls of this month."""
        account = self._account(request)
        calls = await self._accounts.calls(account)
        return JsonResponse({"usage": month_usage(calls, datetime.now(UTC)), "total_calls": account.max_calls})

    def _account(self, request: Request) -> Account:
        return self._accounts.of(request.headers.get("authorization"))


def month_usage(calls: int, now: datetime) -> dict[str, Any]:
    """The calls of the month of `now`, and when the next one begins."""
    return {"month": now.month, "calls": calls, "year": now.year, "resets_on": f"{next_month(now):%Y-%m-%dT%H:%M:%S}Z"}
