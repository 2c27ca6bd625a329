"""`platelane tokens first`: what a new system creates at its first start, and only then."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from platelane.runtime.settings import Settings
from tests.gateway.conftest import PATIENCE, Engine, NatsServer, applied, running_gateway, running_nats

Command = Callable[..., str]


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    """One that has never been used."""
    with running_nats(tmp_path) as nats:
        applied(Settings(nats_url=nats.url))
        yield nats


@pytest.fixture
def tokens(nats: NatsServer, tmp_path: Path) -> Command:
    def command(*arguments: str, profile: str = "cloud") -> str:
        chosen = {"NATS_URL": nats.url, "STATE_DIR": str(tmp_path), "PROFILE": profile}
        return subprocess.run(
            [sys.executable, "-m", "platelane.cli", "tokens", *arguments],
            env={**os.environ, **{f"PLATELANE_{name}": value for name, value in chosen.items()}},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=2 * PATIENCE,
        ).stdout

    return command


def found(said: str) -> list[str]:
    return re.findall(r"^[0-9a-f]{40}$", said, re.MULTILINE)


def test_of_all_that_ask_one_gets_it(tokens: Command, nats: NatsServer, picture: bytes) -> None:
    with ThreadPoolExecutor(3) as pool:
        [token] = [token for said in pool.map(lambda _: tokens("first"), range(3)) for token in found(said)]
    with (
        Engine(Settings(nats_url=nats.url)),
        running_gateway(nats, profile="cloud") as gateway,
        gateway.client() as client,
    ):
        for _ in range(12):  # more than the rate of other tokens
            files = {"upload": ("car.jpg", picture)}
            answer = client.post("/v1/plate-reader/", files=files, headers={"Authorization": f"Token {token}"})
            assert answer.status_code == 201
    assert tokens("revoke", "first") == "Revoked first.\n"
    assert "was already created" in tokens("first")
    assert found(tokens("create", "second"))


def test_who_has_made_one_by_hand_gets_no_other(tokens: Command, nats: NatsServer) -> None:
    with running_gateway(nats, profile="cloud"):
        tokens("create", "mine")
    assert not found(tokens("first"))


def test_without_tokens_there_is_none(tokens: Command) -> None:
    assert tokens("first", profile="sdk") == "The on-premise profile needs no token.\n"
