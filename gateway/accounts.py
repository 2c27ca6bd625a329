"""The accounts that calls count on: who may call, how often, and how many times a month."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from platelane.bus import Bus, subjects, topology
from platelane.errors import EngineUnavailable, Forbidden, Throttled
from platelane.runtime.settings import Settings
from platelane.tokens import Token, account, fingerprint
from platelane.usage import CallCounter, month_of

EVERYBODY: Final = "everybody"
"""The single account of the on-premise server, which does not distinguish callers."""
LAST: Final = 1_000
"""Calls in progress are recorded once this many or fewer are left in the month: more than can run at once."""
_LATE: Final = 1.0
"""Seconds after its deadline within which a call may still be counted."""
_PAUSE: Final = 0.1
"""Seconds to wait before checking once more whether a call is left."""


@dataclass(frozen=True, slots=True)
class Account:
    """A caller. `rate_limit`: uploads a second, 0 for no limit; `max_calls`: calls a month."""

    id: str
    rate_limit: int
    max_calls: int

    @property
    def owner(self) -> str:
        """The account whose webhooks and results it sees; empty (on-premise) for all."""
        return "" if self.id == EVERYBODY else self.id

    def client(self, address: str) -> str:
        """The client that limits apply to: the account, or on-premise the caller's address."""
        return self.owner or address


class Tokens(Protocol):
    """The existing tokens, by their fingerprints."""

    def get(self, key: str) -> Token | None: ...

    def items(self) -> Iterable[tuple[str, Token]]: ...


class Counters(Protocol):
    """Counters shared by all gateways. All methods raise EngineUnavailable if they cannot be reached."""

    async def add_upload(self, account: str, second: int) -> int:
        """Count an upload in a unix second; returns the account's number of uploads in that second."""
        ...

    async def calls(self, account: str, month: str) -> int:
        """The calls of an account in a month such as `2026-11`."""
        ...

    async def calls_by_day(self, account: str, month: str) -> dict[str, int]:
        """As `calls`, by day such as `2026-11-30`; days without calls may be missing."""
        ...

    async def begin(self, account: str, until: float) -> int:
        """Record a call that may be in progress until then (Unix seconds); returns its number, from 1."""
        ...

    async def before(self, account: str, number: int, now: float, longest: float) -> int:
        """How many calls in progress at `now` were recorded before this one. None lasts over `longest` seconds."""
        ...

    async def end(self, number: int) -> None:
        """Forget a call: it has been counted, or never will be."""
        ...


class Accounts:
    """The accounts of this server: one for everybody (on-premise), or one per token (cloud)."""

    def __init__(
        self, tokens: Tokens, counters: Counters, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock`: unix seconds."""
        self._tokens = tokens
        self._counters = counters
        self._settings = settings
        self._clock = clock
        self._longest = settings.async_deadline + settings.deadline
        self._nearly_used_up: set[str] = set()
        self._of_settings = {fingerprint(each.get_secret_value()): Token(name="settings") for each in settings.tokens}

    def of(self, authorization: str | None) -> Account:
        """The account that a request is counted for. The on-premise profile accepts any token or none.

        Raises:
            Forbidden: the cloud profile does not know the token.
        """
        settings = self._settings
        if settings.profile == "sdk":
            return Account(EVERYBODY, 0, settings.max_calls)
        words = (authorization or "").split()  # some clients put blanks after the token
        # looked up by its hash, so the time that this takes reveals nothing about any token
        key = fingerprint(words[-1] if words else "")
        token = self._of_settings.get(key) or self._tokens.get(key)
        if token is None:
            raise Forbidden("Invalid token.")
        return self._account(key, token)

    def by_token(self) -> dict[str, list[Account]]:
        """The accounts by token name; all tokens of the settings share one name. On-premise there are none."""
        found: dict[str, list[Account]] = {}
        if self._settings.profile != "sdk":
            known = dict(self._tokens.items()) | self._of_settings
            for key, token in sorted(known.items(), key=lambda item: item[1].name):
                found.setdefault(token.name, []).append(self._account(key, token))
        return found

    def _account(self, key: str, token: Token) -> Account:
        settings = self._settings
        return Account(
            account(key),
            settings.rate_limit if token.rate_limit is None else token.rate_limit,
            settings.max_calls if token.max_calls is None else token.max_calls,
        )

    async def admit(self, account: Account, *, counts: bool = True) -> None:
        """Count an upload towards the account's rate limit, across all gateways; if it `counts`, calls must be left.

        A call is counted when it is answered; `begin_call` limits those in progress.

        Raises:
            Throttled: too many uploads in this second.
            Forbidden: no calls are left this month.
            EngineUnavailable: NATS, which counts, cannot be reached.
        """
        if self._settings.profile == "sdk":
            return
        uploads, calls = await asyncio.gather(self._uploads(account), self.calls(account))
        if account.rate_limit and uploads > account.rate_limit:
            raise Throttled(1)
        if counts and calls >= account.max_calls:
            raise _used_up()
        (self._nearly_used_up.add if account.max_calls - calls <= LAST else self._nearly_used_up.discard)(account.id)

    async def begin_call(self, account: Account, until: float) -> int:
        """Reserve one of the last calls of the month before its job is sent; it ends at `until` (unix seconds).

        Returns the number for `end_call`; 0 if there were more than `LAST` calls left, so nothing was recorded.

        Raises:
            Forbidden: all remaining calls are in progress.
            EngineUnavailable: NATS, which counts, cannot be reached.
        """
        if account.id not in self._nearly_used_up:
            return 0
        number = await self._counters.begin(account.id, until + _LATE)
        for pause in (_PAUSE, 0.0):
            # in this order: a call that is just being counted may briefly count twice, but is never missed
            before = await self._counters.before(account.id, number, self._clock(), self._longest + _LATE)
            if await self.calls(account) + before < account.max_calls:
                return number
            await asyncio.sleep(pause)
        await self.end_call(number)
        raise _used_up()

    async def end_call(self, number: int) -> None:
        """Release a call that has been answered or was never sent. If NATS is away, it expires by itself later."""
        if number:
            with suppress(EngineUnavailable):
                await self._counters.end(number)

    async def calls(self, account: Account) -> int:
        """The calls of this month.

        Raises:
            EngineUnavailable: NATS, which counts, cannot be reached.
        """
        return await self.calls_of(account.id)

    async def calls_of(self, account_id: str, month: str = "") -> int:
        """The calls of an account in a month such as `2026-11`, by default the current one. Raises as `calls`."""
        return await self._counters.calls(account_id, month or month_of(self.now()))

    async def calls_by_day(self, account: Account, month: str) -> dict[str, int]:
        """The calls of an account by day of a month, without days that have none; only this and last month are kept.

        Raises:
            EngineUnavailable: NATS, which counts, cannot be reached.
        """
        return await self._counters.calls_by_day(account.id, month)

    def now(self) -> datetime:
        """The current time, which decides in which month a call counts."""
        return datetime.fromtimestamp(self._clock(), UTC)

    async def _uploads(self, account: Account) -> int:
        return await self._counters.add_upload(account.id, int(self._clock())) if account.rate_limit else 0


class BusCounters:
    """Counters in NATS."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._calls = CallCounter(bus)
        self._rates = bus.stream(topology.RATES)
        self._requests = bus.stream(topology.KV_REQUESTS)

    async def add_upload(self, account: str, second: int) -> int:
        return await self._rates.add(subjects.rate(account, second), 1)

    async def calls(self, account: str, month: str) -> int:
        self._check()
        return await self._calls.counted(account, month)

    async def calls_by_day(self, account: str, month: str) -> dict[str, int]:
        self._check()
        return await self._calls.by_day(account, month)

    async def begin(self, account: str, until: float) -> int:
        subject = subjects.call_under_way(account, secrets.token_hex(8))
        return await self._requests.put(subject, f"{until:.3f}".encode()) or 0

    async def before(self, account: str, number: int, now: float, longest: float) -> int:
        records, _ = await self._requests.last(subjects.call_under_way(account, "*"), number)
        # skip those of gateways that died, or whose clocks were wrong
        return sum(record.sequence < number and 0 < float(record.data) - now <= longest for record in records)

    async def end(self, number: int) -> None:
        await self._requests.delete(number)

    def _check(self) -> None:
        if not self._bus.connected:
            raise EngineUnavailable("NATS, which counts the calls, cannot be reached.")


def _used_up() -> Forbidden:
    return Forbidden("You do not have enough credits to perform this request.")
