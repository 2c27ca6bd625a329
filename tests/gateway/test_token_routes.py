"""`/v1/tokens/`: who may manage tokens, and what management does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.tokens import Token, fingerprint

from .conftest import Gateway, NatsServer, running_gateway

ADMIN = {"authorization": "Token the-operator"}


async def _store(url: str) -> None:
    bus = await Bus.connect(Settings(nats_url=url), "test")
    tokens = {
        "the-operator": Token(name="operator", admin=True),
        "the-first": Token(name="twice"),
        "the-second": Token(name="twice"),
    }
    for secret, token in tokens.items():
        entry = subjects.entry(topology.TOKENS, fingerprint(secret))
        await bus.stream(topology.KV_TOKENS).put(entry, token.model_dump_json().encode())
    await bus.close()


@pytest.fixture(scope="module")
def operated(served: NatsServer) -> Iterator[httpx.Client]:
    asyncio.run(_store(served.url))
    with running_gateway(served, profile="cloud", tokens="secret-one") as gateway, gateway.client() as client:
        yield client


def test_an_operator_makes_changes_and_revokes_tokens(operated: httpx.Client) -> None:
    made = operated.post("/v1/tokens/", headers=ADMIN, json={"name": " gate / 7 <b> ", "rate_limit": 3})
    assert made.status_code == 201
    body = made.json()
    assert (body["name"], body["rate_limit"], body["max_calls"], body["admin"]) == ("gate / 7 <b>", 3, None, False)
    theirs = {"authorization": f"Token {body['token']}"}
    assert operated.get("/v1/statistics/", headers=theirs).status_code == 200
    assert operated.get("/v1/tokens/", headers=theirs).status_code == 403
    listed = operated.get("/v1/tokens/", headers=ADMIN).json()["results"]
    names = [each["name"] for each in listed]  # other tests' too
    assert {"gate / 7 <b>", "operator"} <= set(names)
    assert names == sorted(names)
    assert all("token" not in each for each in listed)
    assert body["token"] not in str(listed)

    path = "/v1/tokens/gate%20%2F%207%20%3Cb%3E"
    changed = operated.patch(path, headers=ADMIN, json={"max_calls": 0}).json()
    assert (changed["rate_limit"], changed["max_calls"]) == (3, 0)
    assert operated.delete(path, headers=ADMIN).status_code == 204
    assert operated.delete(path, headers=ADMIN).status_code == 404
    assert operated.get("/v1/statistics/", headers=theirs).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"authorization": "Token secret-one"}, {"authorization": "Token wrong"}])
def test_nobody_else_does(operated: httpx.Client, headers: dict[str, str]) -> None:
    assert operated.get("/v1/tokens/", headers=headers).status_code == 403
    assert operated.post("/v1/tokens/", headers=headers, json={"name": "mine", "admin": True}).status_code == 403
    assert operated.delete("/v1/tokens/operator", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "  "}, {"name": "a" * 101}, {"name": "operator"}, {"name": "a", "rate_limit": -1},
     {"name": "a", "max_calls": 2**60}, {"name": "a", "rate_limit": "3"}, {"name": "a", "token": "mine"}],
)  # fmt: skip
def test_what_cannot_be_made(operated: httpx.Client, body: dict[str, object]) -> None:
    assert operated.post("/v1/tokens/", headers=ADMIN, json=body).status_code == 400


def test_a_name_that_is_wanted_many_times_at_once_is_given_once(operated: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        wanted = {"name": "at once"}
        made = list(pool.map(lambda _: operated.post("/v1/tokens/", headers=ADMIN, json=wanted), range(12)))
    assert sorted(answer.status_code for answer in made) == [201] + 11 * [400]


def test_a_name_that_two_tokens_have_is_revoked_for_both(operated: httpx.Client) -> None:
    def status(secret: str) -> int:
        return operated.get("/v1/statistics/", headers={"authorization": f"Token {secret}"}).status_code

    assert (status("the-first"), status("the-second")) == (200, 200)
    assert operated.delete("/v1/tokens/twice", headers=ADMIN).status_code == 204
    assert (status("the-first"), status("the-second")) == (403, 403)


def test_limits_that_are_changed_at_once_are_all_kept(operated: httpx.Client) -> None:
    operated.post("/v1/tokens/", headers=ADMIN, json={"name": "both"})
    limits: list[dict[str, int]] = [{"rate_limit": 7}, {"max_calls": 70}]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: operated.patch("/v1/tokens/both", headers=ADMIN, json=each), limits))
    (kept,) = (each for each in operated.get("/v1/tokens/", headers=ADMIN).json()["results"] if each["name"] == "both")
    assert (kept["rate_limit"], kept["max_calls"]) == (7, 70)


def test_a_change_does_not_bring_back_a_token_that_is_revoked_meanwhile(operated: httpx.Client) -> None:
    made = operated.post("/v1/tokens/", headers=ADMIN, json={"name": "leaked"}).json()

    def body() -> Iterator[bytes]:
        yield b'{"rate_limit"'
        assert operated.delete("/v1/tokens/leaked", headers=ADMIN).status_code == 204
        yield b": 5}"

    headers = ADMIN | {"content-type": "application/json"}
    assert operated.patch("/v1/tokens/leaked", headers=headers, content=body()).status_code == 404
    assert operated.get("/v1/statistics/", headers={"authorization": f"Token {made['token']}"}).status_code == 403


def test_nobody_locks_himself_out(operated: httpx.Client) -> None:
    assert operated.delete("/v1/tokens/operator", headers=ADMIN).status_code == 400
    assert operated.patch("/v1/tokens/operator", headers=ADMIN, json={"admin": False}).status_code == 400
    assert operated.get("/v1/tokens/", headers=ADMIN).status_code == 200


def test_on_premise_nobody_gets_admin_and_no_other_site_anything(gateway: Gateway) -> None:
    with gateway.client() as client:
        assert client.post("/v1/tokens/", json={"name": "mine", "admin": True}).status_code == 400
        elsewhere = {"origin": "https://elsewhere.example"}
        assert client.post("/v1/tokens/", json={"name": "mine"}, headers=elsewhere).status_code == 403
        assert client.get("/v1/tokens/").status_code == 200
