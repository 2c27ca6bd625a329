"""Who may call, and whose calls are counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.accounts import EVERYBODY, account_of, month_of
from platelane.errors import Forbidden
from platelane.settings import Settings

CLOUD = Settings(profile="cloud", tokens=("first", "second"))


@pytest.mark.parametrize("authorization", [None, "", "Token anything", "Basic abc"])
def test_on_premise_takes_any_token_or_none(authorization: str | None) -> None:
    assert account_of(authorization, Settings(profile="sdk")) == EVERYBODY


def test_each_token_has_an_account_that_does_not_tell_it() -> None:
    first, second = account_of("Token first", CLOUD), account_of("token second", CLOUD)
    assert first == account_of("Token first", CLOUD)
    assert first != second
    assert "first" not in first


@pytest.mark.parametrize("authorization", [None, "", "Token", "Token ", "Token third", "Token žluť"])
def test_the_cloud_knows_its_tokens(authorization: str | None) -> None:
    with pytest.raises(Forbidden, match=r"Invalid token\."):
        account_of(authorization, CLOUD)


def test_a_cloud_without_tokens_lets_nobody_in() -> None:
    with pytest.raises(Forbidden):
        account_of("Token ", Settings(profile="cloud"))


def test_tokens_are_not_shown() -> None:
    assert "first" not in repr(CLOUD)


def test_months_are_those_of_utc() -> None:
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == "2026-11"
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=timezone(-timedelta(hours=5)))) == "2026-12"
