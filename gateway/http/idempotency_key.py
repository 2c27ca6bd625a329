"""The header `Idempotency-Key`: a client that repeats a request gets the answer to the first one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from starlette.requests import Request

from gateway.accounts import Account, Accounts
from gateway.idempotency import KeyedRequests, RequestKey, checked_key, digest
from gateway.intake import Fields, Photograph


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a request that has not been read yet."""

    account: Account
    value: str
    waited: float
    """Seconds it took to find out whether the key is known."""

    async def of(self, endpoint: str, fields: Fields, photograph: Photograph) -> RequestKey:
        """The key with the digest of the request, which takes a moment for a large picture."""
        hashed = await asyncio.to_thread(digest, endpoint, fields, photograph)
        return RequestKey(self.account, self.value, hashed, self.waited)


class KeyReader:
    """Reads the header, and admits requests by it."""

    def __init__(self, keyed: KeyedRequests, accounts: Accounts) -> None:
        self._keyed = keyed
        self._accounts = accounts

    async def admit(self, request: Request, account: Account) -> Key | None:
        """The request's key, if it has one. A repeated request needs no remaining calls.

        Raises:
            BadRequest: the key cannot be used.
            Throttled, Forbidden, EngineUnavailable: as `Accounts.admit`.
        """
        begun = time.monotonic()
        value = checked_key(request.headers.getlist("idempotency-key"))
        again = value is not None and await self._keyed.is_known(account.id, value)
        await self._accounts.admit(account, counts=not again)
        return None if value is None else Key(account, value, time.monotonic() - begun)
