"""Whose calls are counted, who may call at all, and how often."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from platelane.bus import Bus, subjects, topology
from platelane.bus.mirror import Mirror
from platelane.bus.streams import Stream
from platelane.errors import EngineUnavailable, Forbidden, Throttled
from platelane.settings import Settings
from platelane.tokens import Token, account, fingerprint

EVERYBODY: Final = "everybody"
"""The account of the on-premise server, which knows no callers."""


@dataclass(frozen=True, slots=True)
class Account:
    """A caller. Uploads a second (0: any number) and calls a month that are allowed."""

    id: str
    rate_limit: int
    max_calls: int


class Accounts:
    """The accounts of this server: one for everybody (on-premise), or one for each token (cloud)."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings
        self._tokens = Mirror(bus, topology.TOKENS, Token.model_validate_json)
        self._rates = Stream(bus, topology.RATES)
        self._of_settings = {fingerprint(each.get_secret_value()): Token(name="settings") for each in settings.tokens}

    async def start(self) -> None:
        """Learn the tokens, and keep up with changes; before the first request.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        await self._tokens.start()

    def of(self, authorization: str | None) -> Account:
        """The account a request counts on. The on-premise profile takes any token or none.

        Raises:
            Forbidden: the cloud profile does not know the token.
        """
        if self._settings.profile == "sdk":
            return Account(EVERYBODY, 0, self._settings.max_calls)
        known = {**dict(self._tokens.items()), **self._of_settings}
        words = (authorization or "").split()  # some clients put blanks behind the token
        given = fingerprint(words[-1] if words else "")
        # every one is compared, and to its end, so that the time taken tells nothing
        found = [token for each, token in known.items() if secrets.compare_digest(each, given)]
        if not found:
            raise Forbidden("Invalid token.")
        limits = (found[0].rate_limit, self._settings.rate_limit), (found[0].max_calls, self._settings.max_calls)
        rate_limit, max_calls = (own if own is not None else default for own, default in limits)
        return Account(account(given), rate_limit, max_calls)

    async def admit(self, account: Account) -> None:
        """Count an upload on the account's rate, across all gateways, and see whether calls are left.

        A call is counted when it is answered, so as many as are under way can go over the month's maximum.

        Raises:
            Throttled: too many in this second.
            Forbidden: none is left this month.
            EngineUnavailable: NATS, which counts, cannot be reached.
        """
        if self._settings.profile == "sdk":
            return
        uploads, calls = await asyncio.gather(self._uploads(account), self.calls(account))
        if account.rate_limit and uploads > account.rate_limit:
            raise Throttled(1)
        if calls >= account.max_calls:
            raise Forbidden("You do not have enough credits to perform this request.")

    async def calls(self, account: Account) -> int:
        """The calls of this month.

        Raises:
            EngineUnavailable: NATS, which counts, cannot be reached.
        """
        if not self._bus.connected:
            raise EngineUnavailable("NATS, which counts the calls, cannot be reached.")
        return await self._bus.counted(account.id, month_of(datetime.now(UTC)))

    async def _uploads(self, account: Account) -> int:
        return await self._rates.add(subjects.rate(account.id, int(time.time())), 1) if account.rate_limit else 0


def month_of(moment: datetime) -> str:
    """The period that usage is counted in, such as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")
