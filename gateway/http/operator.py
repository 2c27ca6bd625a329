"""Who may see and change what belongs to the whole server."""

from __future__ import annotations

from starlette.requests import Request

from gateway.accounts import Accounts
from platelane.bus.mirror import Mirror
from platelane.errors import Forbidden
from platelane.runtime.settings import Settings
from platelane.tokens import Token, fingerprint


class Operator:
    """In the cloud profile whoever has a token with `admin`, on-premise everybody."""

    def __init__(self, tokens: Mirror[Token], accounts: Accounts, settings: Settings) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._settings = settings

    def is_admitted(self, request: Request) -> bool:
        """Whether it is the operator who asks. Raises Forbidden where the server knows no such token at all."""
        self._accounts.of(request.headers.get("authorization"))
        try:
            self.admit(request)
        except Forbidden:
            return False
        return True

    def admit(self, request: Request) -> str:
        """The fingerprint of the operator's token; empty on-premise. Raises Forbidden for anybody else."""
        authorization = request.headers.get("authorization")
        self._accounts.of(authorization)
        if self._settings.profile == "sdk":
            return ""
        key = fingerprint((authorization or " ").split()[-1])
        token = self._tokens.get(key)
        if token is None or not token.admin:
            raise Forbidden("Only a token with admin may do this: `platelane tokens create NAME --admin`.")
        return key
