"""`/v1/usage/`: the calls of a month by day and by token, as they were counted in NATS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.accounts import EVERYBODY
from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.tokens import Token, account, fingerprint
from platelane.usage import CallCounter, day_of, month_of, previous_month

from .conftest import NatsServer, running_gateway, running_nats

NOW = datetime.now(UTC)
LAST = previous_month(NOW)
OPERATOR, GATE = ({"authorization": f"Token {name}"} for name in ("operator", "gate"))


async def _prepare(url: str) -> None:
    bus = await Bus.connect(Settings(nats_url=url), "test")
    for token in (Token(name="operator", admin=True), Token(name="gate", max_calls=50)):
        entry = subjects.entry(topology.TOKENS, fingerprint(token.name))
        await bus.stream(topology.KV_TOKENS).put(entry, token.model_dump_json().encode())
    counter = CallCounter(bus)
    for name, moment, calls in (("gate", NOW, 3), ("gate", LAST, 2), ("one", NOW, 1), ("two", NOW, 4)):
        for number in range(calls):
            await counter.count(account(fingerprint(name)), moment, f"{name}.{moment}.{number}")
    await counter.count(EVERYBODY, NOW, "everybody")
    await bus.close()


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("usage")) as server:
        yield server


@pytest.fixture(scope="module")
def cloud(nats: NatsServer) -> Iterator[httpx.Client]:
    with running_gateway(nats, profile="cloud", tokens="one,two", max_calls=100) as gateway, gateway.client() as client:
        asyncio.run(_prepare(nats.url))
        while client.get("/v1/usage/", headers=GATE).status_code == 403:  # it learns of tokens a moment later
            pass
        yield client


def by_day(body: dict[str, Any]) -> dict[str, int]:
    return {each["day"]: each["calls"] for each in body["days"]}


def test_a_token_sees_its_own_days(cloud: httpx.Client) -> None:
    body = cloud.get("/v1/usage/", headers=GATE).json()
    assert (body["month"], body["calls"], body["max_calls"], body["tokens"]) == (month_of(NOW), 3, 50, [])
    days = by_day(body)
    assert days.pop(day_of(NOW)) == 3
    assert len(days) >= NOW.day - 1, "from the first to today"
    assert not any(days.values())


def test_the_last_month_is_kept_and_those_before_it_are_not(cloud: httpx.Client) -> None:
    body = cloud.get("/v1/usage/", params={"month": month_of(LAST)}, headers=GATE).json()
    assert (body["month"], body["calls"]) == (month_of(LAST), 2)
    assert by_day(body)[day_of(LAST)] == 2
    assert body["days"][-1]["day"] == day_of(LAST), "to its end"
    for month in (month_of(previous_month(LAST)), "2026", "2999-01", "<script>"):
        assert cloud.get("/v1/usage/", params={"month": month}, headers=GATE).status_code == 400


def test_the_operator_sees_every_token(cloud: httpx.Client) -> None:
    body = cloud.get("/v1/usage/", headers=OPERATOR).json()
    assert body["calls"] == 0
    assert body["tokens"] == [
        {"name": "gate", "max_calls": 50, "calls": 3},
        {"name": "operator", "max_calls": 100, "calls": 0},
        {"name": "settings", "max_calls": 200, "calls": 5},
    ]
    gate = cloud.get("/v1/usage/", params={"token": "gate"}, headers=OPERATOR).json()
    assert (gate["calls"], by_day(gate)[day_of(NOW)]) == (3, 3)
    settings = cloud.get("/v1/usage/", params={"token": "settings"}, headers=OPERATOR).json()
    assert (settings["calls"], by_day(settings)[day_of(NOW)]) == (5, 5)
    assert cloud.get("/v1/usage/", params={"token": "nobody"}, headers=OPERATOR).status_code == 404


def test_nobody_else_does(cloud: httpx.Client) -> None:
    assert cloud.get("/v1/usage/", params={"token": "operator"}, headers=GATE).status_code == 403
    assert cloud.get("/v1/usage/").status_code == 403


def test_on_premise_there_is_one_account(cloud: httpx.Client, nats: NatsServer) -> None:
    assert cloud
    with running_gateway(nats, max_calls=1000) as gateway, gateway.client() as client:
        body = client.get("/v1/usage/").json()
        assert (body["calls"], body["max_calls"], body["tokens"]) == (1, 1000, [])
        assert by_day(body)[day_of(NOW)] == 1
        assert client.get("/v1/usage/", params={"token": "gate"}).status_code == 404
