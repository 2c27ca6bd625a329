"""`/v1/usage/`: the calls of a month by day, and for the operator by token."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Account, Accounts
from gateway.http.operator import Operator
from gateway.http.responses import JsonResponse
from platelane.errors import BadRequest, NotFound
from platelane.usage import day_of, days_of, month_of, previous_month


class UsageRoutes:
    """The calls of the caller's account; the operator sees those of all tokens."""

    def __init__(self, accounts: Accounts, operator: Operator) -> None:
        self._accounts = accounts
        self._operator = operator

    def routes(self) -> list[Route]:
        """The path."""
        return [Route("/v1/usage", self.usage, methods=["GET"])]

    async def usage(self, request: Request) -> Response:
        """Calls by day up to today; `month` may be last month, `token` a token's name."""
        own = self._accounts.of(request.headers.get("authorization"))
        month = self._month(request.query_params.get("month", ""))
        name = request.query_params.get("token", "")
        if name:
            self._operator.admit(request)
        tokens = self._accounts.by_token() if self._operator.is_admitted(request) else {}
        wanted = tokens.get(name, []) if name else [own]
        if not wanted:
            raise NotFound("There is no such token.")
        calls, days = await asyncio.gather(self._calls(wanted, month), self._by_day(wanted, month))
        used = await asyncio.gather(*(self._calls(accounts, month) for accounts in tokens.values()))
        return JsonResponse(
            {
                "month": month,
                "max_calls": sum(account.max_calls for account in wanted),
                "calls": calls,
                "days": [{"day": day, "calls": days[day]} for day in self._past(month)],
                "tokens": [
                    {"name": each, "max_calls": sum(account.max_calls for account in accounts), "calls": number}
                    for (each, accounts), number in zip(tokens.items(), used, strict=True)
                ],
            }
        )

    def _month(self, text: str) -> str:
        now = self._accounts.now()
        known = month_of(now), month_of(previous_month(now))
        if text and text not in known:
            raise BadRequest(f"month must be {known[0]} or {known[1]}: earlier days are not kept.")
        return text or known[0]

    def _past(self, month: str) -> Iterator[str]:
        today = day_of(self._accounts.now())
        return (day for day in days_of(month) if day <= today)

    async def _calls(self, accounts: Iterable[Account], month: str) -> int:
        return sum(await asyncio.gather(*(self._accounts.calls_of(each.id, month) for each in accounts)))

    async def _by_day(self, accounts: Iterable[Account], month: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for each in accounts:  # one, but for the tokens of the settings
            found.update(await self._accounts.calls_by_day(each, month))
        return found
