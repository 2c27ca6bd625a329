"""`/v1/tokens/`: the tokens of the cloud profile, created, listed, changed and revoked by the operator."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.accounts import Accounts
from gateway.http.json_body import read_document
from gateway.http.operator import Operator
from gateway.http.responses import JsonResponse
from platelane.bus.mirror import Mirror
from platelane.errors import BadRequest, EngineUnavailable, NotFound
from platelane.runtime.settings import Settings
from platelane.tokens import Calls, Token, TokenName, account, fingerprint, new_token

MOST_TOKENS: Final = 10_000
_PATH: Final = "/v1/tokens"
_STRICT: Final = ConfigDict(strict=True, frozen=True, extra="forbid")


class TokenLimits(BaseModel):
    """The changeable properties of a token; limits that are `null` come from the settings."""

    model_config = _STRICT

    rate_limit: Calls | None = None
    max_calls: Calls | None = None
    admin: bool = False


class NewToken(TokenLimits):
    """A token to create."""

    name: TokenName


class TokenRoutes:
    """Management of tokens: with the cloud profile for tokens with `admin`, on-premise for everybody."""

    def __init__(self, tokens: Mirror[Token], operator: Operator, accounts: Accounts, settings: Settings) -> None:
        self._tokens = tokens
        self._operator = operator
        self._accounts = accounts
        self._settings = settings

    def routes(self) -> list[Route]:
        """The paths."""
        one = f"{_PATH}/{{name:path}}"
        return [
            Route(_PATH, self.overview, methods=["GET"]),
            Route(_PATH, self.create, methods=["POST"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.revoke, methods=["DELETE"]),
        ]

    async def overview(self, request: Request) -> Response:
        """All tokens by name, with the calls of this month."""
        self._operator.admit(request)
        found = sorted(self._tokens.items(), key=lambda item: item[1].name)
        calls = await asyncio.gather(*(self._accounts.calls_of(account(key)) for key, _ in found))
        return JsonResponse({"results": [_view(token, used) for (_, token), used in zip(found, calls, strict=True)]})

    async def create(self, request: Request) -> Response:
        """Create a token; only this answer contains it."""
        self._operator.admit(request)
        wanted = await read_document(request, NewToken)
        self._check_admin(wanted.admin)
        async with self._tokens.changing():
            known = [token.name for _, token in self._tokens.items()]
            if wanted.name in known:
                raise BadRequest(f"There is a token called {wanted.name} already.")
            if len(known) >= MOST_TOKENS:
                raise BadRequest(f"There are already {MOST_TOKENS} tokens, which is the limit.")
            secret, token = new_token(), Token(**wanted.model_dump())
            await self._tokens.put(fingerprint(secret), token.model_dump_json().encode())
        return JsonResponse(_view(token, 0) | {"token": secret}, status_code=201)

    async def change(self, request: Request) -> Response:
        """Change the given limits."""
        own = self._operator.admit(request)
        self._named(request)
        limits = await read_document(request, TokenLimits)
        self._check_admin(limits.admin)
        async with self._tokens.changing():
            key, token = self._named(request)  # again: it may have been revoked while the body arrived
            changed = token.model_copy(update=limits.model_dump(exclude_unset=True))
            if key == own and not changed.admin:
                raise BadRequest("A token cannot remove its own admin right.")
            if not await self._tokens.put(key, changed.model_dump_json().encode(), self._tokens.sequence(key)):
                raise EngineUnavailable("The token is being changed by others.")
        return JsonResponse(_view(changed, await self._accounts.calls_of(account(key))))

    async def revoke(self, request: Request) -> Response:
        """Requests with the token get 403 from now on."""
        own = self._operator.admit(request)
        keys = [key for key, token in self._tokens.items() if token.name == request.path_params["name"]]
        if not keys:
            raise NotFound("There is no such token.")
        if own in keys:
            raise BadRequest("A token cannot revoke itself.")
        for key in keys:  # two gateways at once may have given the name twice
            await self._tokens.delete(key)
        return Response(status_code=204)

    def _check_admin(self, wanted: bool) -> None:
        """On-premise anybody may create tokens, but not with `admin`, in case tokens are required later."""
        if wanted and self._settings.profile == "sdk":
            raise BadRequest("admin: on-premise only `platelane tokens create NAME --admin` makes such a token.")

    def _named(self, request: Request) -> tuple[str, Token]:
        name = request.path_params["name"]
        for key, token in self._tokens.items():
            if token.name == name:
                return key, token
        raise NotFound("There is no such token.")


def _view(token: Token, calls: int) -> dict[str, Any]:
    """The properties of a token, without the token itself."""
    return {**token.model_dump(mode="json"), "calls": calls}
