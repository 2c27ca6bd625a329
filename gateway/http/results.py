"""`/v1/results/`: pages of past results, and the result of one request."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.http.query import number, results_query
from gateway.http.responses import JsonResponse, error_response
from gateway.jobs import accepted_at, answer_of
from gateway.outcomes import Outcomes
from gateway.results_query import MAX_PAGE, PAGE, History
from platelane.errors import DeadlineExceeded, NotFound, PlatelaneError
from platelane.runtime.clock import jumps
from platelane.runtime.settings import Settings

_ID: Final = re.compile(r"[0-9a-f]{32}")
_LATE: Final = 1.0
"""Seconds after the deadline within which an answer that was begun before it may still come."""


class ResultRoutes:
    """The stored results."""

    def __init__(self, history: History, outcomes: Outcomes, accounts: Accounts, settings: Settings) -> None:
        self._history = history
        self._outcomes = outcomes
        self._accounts = accounts
        self._settings = settings

    def routes(self) -> list[Route]:
        """The paths."""
        return [
            Route("/v1/results", self.results, methods=["GET"]),
            Route("/v1/results/{id}", self.result, methods=["GET"]),
        ]

    async def results(self, request: Request) -> Response:
        """A page of results, newest first; `next` is the address of the next page."""
        owner = self._accounts.of(request.headers.get("authorization")).owner
        parameters = request.query_params
        query = results_query(parameters, owner)
        page = await self._history.page(query, number(parameters, "before"), page_size(parameters))
        return JsonResponse({"results": page.results, "next": next_page(parameters, page.before)})

    async def result(self, request: Request) -> Response:
        """The result of one request; 202 while it is under way, and its error if it failed."""
        owner, job_id = self._accounts.of(request.headers.get("authorization")).owner, request.path_params["id"]
        if not _ID.fullmatch(job_id):
            raise NotFound("Not found.")
        if found := await self._history.by_id(job_id, owner):
            return JsonResponse(found)
        reply = await self._outcomes.of(owner or None, job_id)
        if reply is None:
            raise NotFound("Not found.")
        try:
            if reply.HasField("failure"):
                answer_of(reply)
            accepted = accepted_at(job_id)
            if time.time() > accepted + jumps.since(accepted) + self._settings.async_deadline + _LATE:
                limit = self._settings.async_deadline
                raise DeadlineExceeded(f"The photograph was not read within {limit:g} seconds.")
        except PlatelaneError as error:
            # without Retry-After, because this outcome is final
            return error_response(error.status, error.detail)
        return JsonResponse({"id": job_id, "status": "pending"}, 202, {"Retry-After": "1"})


def page_size(parameters: Mapping[str, str]) -> int:
    """The largest number of results in the page. Raises BadRequest if it is not a number."""
    return min(MAX_PAGE, max(1, number(parameters, "page_size") or PAGE))


def next_page(parameters: Mapping[str, str], before: int | None) -> str | None:
    """The address of the page before sequence `before`; None if there is none."""
    return None if before is None else f"/v1/results/?{urlencode({**parameters, 'before': before})}"
