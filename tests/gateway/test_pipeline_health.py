"""`/v1/health/pipeline` of real gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.http.schemas import PipelineHealth
from platelane.bus import Bus, subjects, topology
from platelane.pb.v1 import stages_pb2
from platelane.runtime.settings import Settings
from platelane.tokens import Token, fingerprint

from .conftest import NatsServer, applied, running_gateway, running_nats

PATH = "/v1/health/pipeline"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """With two dead letters, one of which is large, and an operator."""
    with running_nats(tmp_path_factory.mktemp("health")) as server:
        settings = Settings(nats_url=server.url)
        applied(settings)
        asyncio.run(_store(settings))
        yield server


async def _store(settings: Settings) -> None:
    bus = await Bus.connect(settings, "test")
    for number in range(2):
        letter = stages_pb2.DeadLetter(subject=subjects.DETECT, reason="poison", data=bytes(number * 1_000_000))
        await bus.stream(topology.DEAD).put(subjects.dead(topology.JOBS), letter.SerializeToString())
    token = Token(name="operator", admin=True)
    entry = subjects.entry(topology.TOKENS, fingerprint("the-operator"))
    await bus.stream(topology.KV_TOKENS).put(entry, token.model_dump_json().encode())
    await bus.close()


@pytest.fixture(scope="module")
def cloud(server: NatsServer) -> Iterator[httpx.Client]:
    with running_gateway(server, profile="cloud", tokens="secret-one") as gateway, gateway.client() as client:
        yield client


@pytest.fixture(scope="module")
def health(cloud: httpx.Client) -> dict[str, Any]:
    answer = cloud.get(PATH, headers={"authorization": "Token the-operator"})
    assert answer.status_code == 200
    PipelineHealth.model_validate_json(answer.content, strict=True)
    body: dict[str, Any] = answer.json()
    return body


def test_a_gateway_alone(health: dict[str, Any]) -> None:
    replicas = {each["name"]: (each["replicas"], each["status"]) for each in health["services"]}
    assert replicas.pop("gateway") == (1, "ok")
    assert replicas.pop("reads") == replicas.pop("webhook_svc") == (0, "warn")
    assert replicas == dict.fromkeys(("detector", "ocr", "attributes", "aggregator"), (0, "fail"))
    assert health["status"] == "fail"


def test_queues_streams_and_errors(health: dict[str, Any]) -> None:
    assert {each["name"] for each in health["queues"]} == {each.name for each in topology.CONSUMERS}
    assert all(each["status"] == "ok" and each["waiting"] == 0 for each in health["queues"])
    [dead] = [each for each in health["streams"] if each["name"] == topology.DEAD]
    assert (dead["messages"], dead["max_bytes"], dead["status"]) == (2, 256 << 20, "ok")
    [error] = health["errors"]
    assert (error["service"], error["event"], error["count"]) == ("JOBS", "dead_letter", 2)
    assert error["advice"] == "Messages were given up: see DeadLetters in docs/runbook.md."


@pytest.mark.parametrize("token", ["secret-one", "wrong", ""])
def test_tenants_see_nothing_of_it(cloud: httpx.Client, token: str) -> None:
    assert cloud.get(PATH, headers={"authorization": f"Token {token}"} if token else {}).status_code == 403


def test_nats_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_nats(tmp_path_factory.mktemp("away")) as server, running_gateway(server) as gateway:
        server.stop()
        with gateway.client() as client:
            answer = client.get(PATH)
        PipelineHealth.model_validate_json(answer.content, strict=True)
        assert (answer.status_code, answer.json()["status"]) == (200, "fail")
        assert "NatsNotConnected" in answer.json()["advice"]
