"""Decides who may see and change settings of the whole server."""

from __future__ import annotations

from starlette.requests import Request

from gateway.accounts import Accounts
from platelane.bus.mirror import Mirror
from platelane.errors import Forbidden
from platelane.runtime.settings import Settings
from platelane.tokens import Token, fingerprint


class Operator:
    """The operator: with the cloud profile, a token with `admin`; on-premise, everybody."""

    def __init__(self, tokens: Mirror[Token], accounts: Accounts, settings: Settings) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._settings = settings

    def is_admitted(self, request: Request) -> bool:
        """Whether the caller is the operator. Raises Forbidden if the token is unknown."""
        self._accounts.of(request.headers.get("authorization"))
        try:
            self.admit(request)
        except Forbidden:
            return False
        return True

    def admit(self, request: Request) -> str:
        """The fingerprint of the operator's token; empty on-premise. Raises Forbidden for all others."""
        authorization = request.headers.get("authorization")
        self._accounts.of(authorization)
        if self._settings.profile == "sdk":
            return ""
        key = fingerprint((authorization or " ").split()[-1])
        token = self._tokens.get(key)
        if token is None or not token.admin:
            raise Forbidden("Only a token with admin may do this: `platelane tokens create NAME --admin`.")
        return key
