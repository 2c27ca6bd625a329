"""Who may call, how often, and which limits apply; counters and tokens are in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from gateway.accounts import EVERYBODY, LAST, Account, Accounts
from platelane.errors import Forbidden, Throttled
from platelane.runtime.settings import Settings
from platelane.tokens import Token, account, fingerprint

GATE = fingerprint("gate-token")
NOW = datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp()


@dataclass
class Counted:
    """Counters in memory."""

    made: dict[str, int] = field(default_factory=dict)
    uploads: dict[tuple[str, int], int] = field(default_factory=dict)
    under_way: dict[int, tuple[str, float]] = field(default_factory=dict)
    begun: int = 0

    async def add_upload(self, account: str, second: int) -> int:
        self.uploads[account, second] = self.uploads.get((account, second), 0) + 1
        return self.uploads[account, second]

    async def calls(self, account: str, month: str) -> int:
        assert month == "2026-11"
        return self.made.get(account, 0)

    async def calls_by_day(self, account: str, month: str) -> dict[str, int]:
        return {f"{month}-30": self.made[account]} if account in self.made else {}

    async def begin(self, account: str, until: float) -> int:
        self.begun += 1
        self.under_way[self.begun] = (account, until)
        return self.begun

    async def before(self, account: str, number: int, now: float, longest: float) -> int:
        others = (call for each, call in self.under_way.items() if each < number and call[0] == account)
        return sum(0 < until - now <= longest for _, until in others)

    async def end(self, number: int) -> None:
        del self.under_way[number]


def accounts(known: dict[str, Token] | None = None, counters: Counted | None = None, **settings: object) -> Accounts:
    values = {"profile": "cloud", "rate_limit": 8, "max_calls": 100, **settings}
    return Accounts(known or {}, counters or Counted(), Settings.model_validate(values), lambda: NOW)


@pytest.mark.parametrize("authorization", [None, "", "Token anything", "\xff"])
def test_on_premise_everybody_is_one_account_that_sees_everything(authorization: str | None) -> None:
    found = accounts(profile="sdk").of(authorization)
    assert found == Account(EVERYBODY, 0, 100)
    assert found.owner == ""


@pytest.mark.parametrize(
    "authorization", ["Token gate-token", "token gate-token ", "Bearer gate-token", "gate-token", "Token\tgate-token"]
)
def test_a_token_is_an_account_of_its_own(authorization: str) -> None:
    found = accounts({GATE: Token(name="gate")}).of(authorization)
    assert found == Account(account(GATE), 8, 100)
    assert found.owner == found.id


@pytest.mark.parametrize(
    "authorization", [None, "", "Token", "Token gate", "Token gate-token2", f"Token {GATE}", "Token žluť"]
)
def test_other_tokens_are_refused(authorization: str | None) -> None:
    with pytest.raises(Forbidden, match="Invalid token"):
        accounts({GATE: Token(name="gate")}).of(authorization)


def test_limits_of_a_token_come_before_those_of_the_settings_and_zero_is_one() -> None:
    known = {GATE: Token(name="gate", rate_limit=0, max_calls=0)}
    found = accounts(known, tokens=("of-settings",))
    assert found.of("Token gate-token") == Account(account(GATE), 0, 0)
    assert found.of("Token of-settings") == Account(account(fingerprint("of-settings")), 8, 100)


async def test_uploads_of_one_second_are_limited() -> None:
    counters = Counted()
    found, caller = accounts(counters=counters), Account("someone", 2, 100)
    for _ in range(2):
        await found.admit(caller)
    with pytest.raises(Throttled) as caught:
        await found.admit(caller)
    assert caught.value.retry_after == 1
    assert counters.uploads == {("someone", int(NOW)): 3}
    await found.admit(Account("other", 2, 100))


async def test_a_rate_of_zero_is_no_limit_and_is_not_counted() -> None:
    counters = Counted()
    for _ in range(20):
        await accounts(counters=counters).admit(Account("someone", 0, 100))
    assert counters.uploads == {}


@pytest.mark.parametrize(("made", "admitted"), [(0, True), (99, True), (100, False), (101, False)])
async def test_calls_of_the_month_are_limited(made: int, admitted: bool) -> None:
    found, caller = accounts(counters=Counted({"someone": made})), Account("someone", 0, 100)
    if admitted:
        await found.admit(caller)
    else:
        with pytest.raises(Forbidden, match="credits"):
            await found.admit(caller)


async def test_calls_under_way_count_among_the_last_ones() -> None:
    counters, caller = Counted({"someone": 97}), Account("someone", 0, 100)
    found = accounts(counters=counters)
    for _ in range(4):
        await found.admit(caller)
    first, second, third = [await found.begin_call(caller, NOW + 9) for _ in range(3)]
    with pytest.raises(Forbidden, match="credits"):
        await found.begin_call(caller, NOW + 9)
    assert sorted(counters.under_way) == [first, second, third], "one that was refused is not under way"
    counters.made["someone"] += 1
    await found.end_call(first)  # it was counted
    with pytest.raises(Forbidden):
        await found.begin_call(caller, NOW + 9)
    await found.end_call(second)  # it failed
    assert await found.begin_call(caller, NOW + 9)
    await found.admit(other := Account("other", 0, 100))
    assert await found.begin_call(other, NOW + 9), "those of others are not its own"


async def test_a_call_whose_gateway_died_is_under_way_until_its_deadline() -> None:
    counters, caller = Counted({"someone": 99}, under_way={0: ("someone", NOW - 1)}), Account("someone", 0, 100)
    found = accounts(counters=counters)
    await found.admit(caller)
    assert await found.begin_call(caller, NOW + 9)


async def test_calls_under_way_are_not_noted_where_more_are_left_than_can_be() -> None:
    counters, caller = Counted(), Account("someone", 0, LAST + 1)
    found = accounts(counters=counters)
    await found.admit(caller)
    number = await found.begin_call(caller, NOW + 9)
    await found.end_call(number)
    assert counters.begun == 0
    counters.made["someone"] = 1
    await found.admit(caller)
    assert await found.begin_call(caller, NOW + 9) == 1


async def test_on_premise_nothing_is_limited() -> None:
    await accounts(counters=Counted({EVERYBODY: 1_000}), profile="sdk").admit(Account(EVERYBODY, 0, 100))


async def test_calls_are_those_of_the_account() -> None:
    found = accounts(counters=Counted({"one": 3, "other": 5}))
    assert await found.calls(Account("one", 0, 100)) == 3
    assert await found.calls(Account("nobody", 0, 100)) == 0


def test_tokens_are_accounts_by_name() -> None:
    found = accounts({GATE: Token(name="gate", max_calls=5)}, tokens=["one", "two"]).by_token()
    assert list(found) == ["gate", "settings"]
    assert found["gate"] == [Account(account(GATE), 8, 5)]
    assert {each.id for each in found["settings"]} == {account(fingerprint(each)) for each in ("one", "two")}
    assert accounts({GATE: Token(name="gate")}, profile="sdk").by_token() == {}
