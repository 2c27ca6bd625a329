"""`/v1/zones/`: what is stored, who sees it, and that it reaches the detector with the next picture."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gateway import zones
from platelane.bus import Bus
from platelane.errors import BadRequest
from tests.support import wait_until

from .conftest import Gateway, NatsServer, running_gateway

SIGN = {"name": "street sign", "polygon": [[0.0, 0.0], [0.5, 0.0], [0.5, 0.25]]}
TRIANGLE = {"polygon": [[0, 0], [1, 0], [1, 1]]}


def put(client: httpx.Client, camera_id: str, *zones: dict[str, Any]) -> dict[str, Any]:
    response = client.put(f"/v1/zones/{quote(camera_id, safe='')}", json={"zones": zones})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def get(client: httpx.Client, camera_id: str) -> httpx.Response:
    return client.get(f"/v1/zones/{quote(camera_id, safe='')}")


@pytest.mark.parametrize(
    "camera_id",
    [
        "gate",
        "Tor 7",
        "Кам-1",
        "a.b",
        "*",
        ">",
        "a/b",
        "100%",
        "=",
        "~",
        "x" * 300,
        "\U0001f697",
        "rtsp://10.0.0.5/live",
        "/dev/video0",
        "cam/",
    ],
)
def test_zones_of_a_camera(client: httpx.Client, camera_id: str) -> None:
    assert get(client, camera_id).status_code == 404
    kept = put(client, camera_id, SIGN, TRIANGLE)
    assert kept["camera_id"] == camera_id
    assert kept["zones"] == [SIGN, {"name": "", **TRIANGLE}]
    assert datetime.fromisoformat(kept["updated"])
    assert get(client, camera_id).json() == kept
    assert kept in client.get("/v1/zones/").json()["results"]
    assert put(client, camera_id, SIGN)["zones"] == [SIGN]
    deleted = client.delete(f"/v1/zones/{quote(camera_id, safe='')}/")
    assert deleted.status_code == 204
    assert deleted.content == b""
    assert get(client, camera_id).status_code == 404
    assert camera_id not in [each["camera_id"] for each in client.get("/v1/zones").json()["results"]]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"zones": null}',
        b'{"zones": [{}]}',
        b'{"zones": [{"polygon": []}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1]]}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1], [2, 0]]}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1], [-0.1, 0]]}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1], [NaN, 0]]}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1], ["0.5", 0]]}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1], [true, 0]]}]}',
        b'{"zones": [{"polygon": [[0, 0], [1, 1], [0, 1, 1]]}]}',
        b'{"zones": [{"name": 5, "polygon": [[0, 0], [1, 1], [0, 1]]}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps({"zones": [TRIANGLE] * 51}).encode(),
        json.dumps({"zones": [{"polygon": [[0, 0]] * 101}]}).encode(),
    ],
)
def test_what_is_no_list_of_zones_is_refused(client: httpx.Client, body: bytes) -> None:
    response = client.put("/v1/zones/refused", content=body)
    assert response.status_code == 400
    assert response.json()["status_code"] == 400
    assert get(client, "refused").status_code == 404


def test_limits(client: httpx.Client) -> None:
    assert client.put("/v1/zones/large", content=b" " * 300_000).status_code == 413
    assert client.put(f"/v1/zones/{'x' * 1_001}", json={"zones": []}).status_code == 400
    assert client.get(f"/v1/zones/{'x' * 1_001}").status_code == 400
    assert client.delete("/v1/zones/nobody").status_code == 404
    assert client.post("/v1/zones/gate", json={"zones": []}).status_code == 405


def test_unknown_fields_are_ignored(client: httpx.Client) -> None:
    body = {"zones": [{**SIGN, "color": "red"}], "camera_id": "another", "comment": 1}
    assert client.put("/v1/zones/known", json=body).json()["camera_id"] == "known"
    client.delete("/v1/zones/known")


def test_another_gateway_knows_a_moment_later(served: NatsServer, client: httpx.Client) -> None:
    with running_gateway(served) as second, second.client() as other:
        kept = put(client, "shared", SIGN)
        wait_until(lambda: get(other, "shared").status_code == 200)
        assert get(other, "shared").json() == kept
        client.delete("/v1/zones/shared")
        wait_until(lambda: get(other, "shared").status_code == 404)


@pytest.fixture
def two_accounts(served: NatsServer) -> Iterator[Gateway]:
    with running_gateway(served, profile="cloud", tokens="one,other") as gateway:
        yield gateway


def test_accounts_see_their_own(two_accounts: Gateway) -> None:
    with two_accounts.client() as client:
        assert client.get("/v1/zones/gate").status_code == 403
        assert client.put("/v1/zones/gate", json={"zones": [SIGN]}).status_code == 403
        client.headers["Authorization"] = "Token one"
        put(client, "gate", SIGN)
        client.headers["Authorization"] = "Token other"
        assert get(client, "gate").status_code == 404
        assert client.get("/v1/zones").json() == {"results": []}
        put(client, "gate", TRIANGLE)
        client.headers["Authorization"] = "Token one"
        assert get(client, "gate").json()["zones"] == [SIGN]


def test_lists_come_in_pages(two_accounts: Gateway) -> None:
    with two_accounts.client() as client:
        client.headers["Authorization"] = "Token one"
        for number in range(5):
            put(client, f"page {number}", SIGN)
        names: list[str] = []
        page: dict[str, Any] = {"next": "/v1/zones/?page_size=2"}
        while "next" in page:
            page = client.get(page["next"]).json()
            assert len(page["results"]) <= 2
            names += [each["camera_id"] for each in page["results"]]
        assert [name for name in names if name.startswith("page")] == [f"page {number}" for number in range(5)]
        assert client.get("/v1/zones/?page_size=x").status_code == 400


def test_an_account_has_so_many_points(two_accounts: Gateway) -> None:
    """Ten cameras as full as one can be fit; another one does not."""
    full = [{"polygon": [[0, 0], [1, 0], [1, 1]] * 33}] * 50
    with two_accounts.client() as client:
        client.headers["Authorization"] = "Token other"
        for each in client.get("/v1/zones/").json()["results"]:  # of other tests
            client.delete(f"/v1/zones/{quote(each['camera_id'], safe='')}")
        for number in range(9):
            put(client, f"full {number}", *full)
        put(client, "full 8", *full)  # itself does not count
        put(client, "the last", *full)
        refused = client.put("/v1/zones/one-more", json={"zones": full})
        assert refused.status_code == 400
        assert "50000 points" in refused.json()["error"]
        pages, page = 0, client.get("/v1/zones/").json()
        while "next" in page:
            assert sum(len(zone["polygon"]) for each in page["results"] for zone in each["zones"]) <= 5_000
            pages, page = pages + 1, client.get(page["next"]).json()
        assert pages >= 8
        client.headers["Authorization"] = "Token one"
        put(client, "gate", SIGN)  # others have their own


async def test_requests_that_come_at_once_do_not_pass_the_limit_together(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zones, "MOST_CAMERAS", 3)
    store = zones.ZoneStore(bus)
    await store.start()
    wanted = (store.put("me", zones.CameraZones(camera_id=str(number), zones=())) for number in range(9))
    outcomes = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(each) for each in outcomes] == 3 * [type(None)] + 6 * [BadRequest]
    assert len(store.page("me", "", 9).cameras) == 3
