"""Photographs without a waiting caller: one client cannot fill the queue with them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from platelane.runtime.settings import Settings

from .conftest import PATIENCE, SILENT_CAMERA, Engine, encoded, running_gateway, running_nats

QUEUE = 8
SHARE = 3


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        running_nats(tmp_path_factory.mktemp("unattended")) as nats,
        Engine(Settings(nats_url=nats.url)),
        running_gateway(
            nats, profile="cloud", tokens="one,two,three", rate_limit=0, queue_limit=QUEUE, async_deadline=10 * PATIENCE
        ) as gateway,
        gateway.client() as client,
    ):
        yield client


def post(client: httpx.Client, token: str, camera: str, **headers: str) -> httpx.Response:
    given = {"Authorization": f"Token {token}", "Prefer": "respond-async"} | headers
    return client.post(
        "/v1/plate-reader/", data={"camera_id": camera}, files={"upload": ("a.jpg", encoded())}, headers=given
    )


def test_one_client_has_a_share_of_the_queue_and_others_have_theirs(client: httpx.Client) -> None:
    answers = [post(client, "one", SILENT_CAMERA) for _ in range(SHARE + 2)]
    assert [answer.status_code for answer in answers] == [202] * SHARE + [503] * 2
    assert "this client" in answers[-1].json()["detail"]
    assert answers[-1].headers["Retry-After"] == "1"
    refused = post(client, "one", SILENT_CAMERA, **{"Idempotency-Key": "a", "Prefer": ""})
    assert refused.status_code == 503, "nor with a key, which a client may send without waiting for the answer"
    assert post(client, "two", "").status_code == 202
    assert post(client, "one", "", Prefer="").status_code == 201, "who waits has a place of its own"


def test_what_has_ended_makes_room(client: httpx.Client) -> None:
    end = time.monotonic() + PATIENCE
    for _ in range(3 * SHARE):
        while (status := post(client, "three", "").status_code) != 202:
            assert (status, time.monotonic() < end) == (503, True)
            time.sleep(0.05)
