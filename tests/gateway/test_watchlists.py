"""`/v1/watchlists/`: what is stored, who sees it, and that reads, events and webhooks report hits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.jobs import new_job_id
from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from tests.support import wait_until

from .conftest import NatsServer, running_gateway, running_index, running_nats

PATH = "/v1/watchlists/"
VISITORS = {
    "name": "Visitors",
    "distance": 1,
    "plates": [
        {"plate": "GK48-2TV", "note": "<b>Ana</b>", "valid_from": None, "valid_to": None},
        {"plate": "AB123CD", "note": "", "valid_from": "2026-01-01T00:00:00Z", "valid_to": "2026-01-31T23:59:59Z"},
    ],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("watchlists")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: NatsServer) -> Iterator[httpx.Client]:
    with running_gateway(server) as gateway, gateway.client() as client:
        yield client


def made(client: httpx.Client, fields: dict[str, Any] = VISITORS) -> dict[str, Any]:
    answer = client.post(PATH, json=fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_list_is_made_read_replaced_and_deleted(client: httpx.Client) -> None:
    kept = made(client)
    assert kept == VISITORS | {
        "id": kept["id"],
        "plates": [VISITORS["plates"][0] | {"plate": "gk482tv"}, VISITORS["plates"][1] | {"plate": "ab123cd"}],  # type: ignore[index]
    }
    one = f"{PATH}{kept['id']}/"
    assert client.get(one).json() == kept
    assert client.get(PATH).json() == {"results": [kept]}
    changed = client.put(one, json={"name": "Guests", "plates": [{"plate": "x1"}]}).json()
    assert (changed["id"], changed["name"], changed["distance"]) == (kept["id"], "Guests", 0)
    assert client.get(one).json() == changed
    assert client.delete(one).status_code == 204
    assert client.get(one).status_code == client.put(one, json=VISITORS).status_code == 404
    assert client.get(PATH).json() == {"results": []}


@pytest.mark.parametrize("list_id", ["nobody", "x" * 300, "*", ">", "%20", "a.b"])
def test_lists_that_there_are_not(client: httpx.Client, list_id: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert client.request(method, f"{PATH}{list_id}/", json=VISITORS).status_code == 404


def test_a_pattern_is_sent_to_where_patterns_go(client: httpx.Client) -> None:
    answer = client.post(PATH, json={"name": "a", "plates": [{"plate": "X1"}, {"plate": "AB\uff0a"}]})
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "plates.1.plate: 'AB\uff0a' is a pattern, and a watch-list holds plates: patterns go into filter.plates."
    )


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"name": ""}', b'{"name": "a", "plates": [{"plate": "a?"}]}', b'{"name": "\\ud800"}']
)
def test_what_is_no_list(client: httpx.Client, body: bytes) -> None:
    answer = client.post(PATH, content=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_bounds(client: httpx.Client) -> None:
    plates = [{"plate": f"{number:07d}"} for number in range(5_001)]
    assert "plates" in client.post(PATH, json={"name": "a", "plates": plates}).json()["detail"]
    assert client.post(PATH, content=b" " * ((1 << 20) + 1)).status_code == 413
    lists = [made(client, {"name": "a", "plates": plates[:5_000]})["id"] for _ in range(4)]
    answer = client.post(PATH, json={"name": "a", "plates": plates[:1]})
    assert (answer.status_code, "20000 plates" in answer.json()["detail"]) == (400, True)
    lists += [made(client, {"name": "a"})["id"] for _ in range(96)]
    answer = client.post(PATH, json={"name": "a"})
    assert (answer.status_code, "100 watch-lists" in answer.json()["detail"]) == (400, True)
    assert client.put(f"{PATH}{lists[0]}", json={"name": "b", "plates": plates[:5_000]}).status_code == 200
    for each in lists:
        assert client.delete(f"{PATH}{each}").status_code == 204


def test_a_hook_names_lists_that_there_are(client: httpx.Client) -> None:
    hook = {"target": "http://127.0.0.1:9/", "filter": {"watchlists": ["nobody"]}}
    answer = client.post("/v1/webhooks/", json=hook)
    assert (answer.status_code, "'nobody'" in answer.json()["detail"]) == (400, True)
    kept = made(client)
    hook["filter"] = {"watchlists": [kept["id"]]}
    number = client.post("/v1/webhooks/", json=hook).json()["id"]
    assert client.get(f"/v1/webhooks/{number}/").json()["filter"]["watchlists"] == [kept["id"]]
    answer = client.patch(f"/v1/webhooks/{number}/", json={"filter": {"watchlists": [kept["id"], "nobody"]}})
    assert answer.status_code == 400
    refused = client.delete(f"{PATH}{kept['id']}/")
    assert (refused.status_code, str(number) in refused.json()["detail"]) == (400, True)
    assert client.patch(f"/v1/webhooks/{number}/", json={"filter": {}}).status_code == 200
    assert client.delete(f"{PATH}{kept['id']}/").status_code == 204
    client.delete(f"/v1/webhooks/{number}/")


def test_each_token_has_its_own(server: NatsServer) -> None:
    with running_gateway(server, profile="cloud", tokens="secret-one,secret-two") as cloud, cloud.client() as client:
        one, two = ({"Authorization": f"Token secret-{name}"} for name in ("one", "two"))
        assert client.get(PATH).status_code == 403
        kept = client.post(PATH, json=VISITORS, headers=one).json()
        assert client.get(PATH, headers=one).json() == {"results": [kept]}
        assert client.get(PATH, headers=two).json() == {"results": []}
        for method in ("GET", "PUT", "DELETE"):
            assert client.request(method, f"{PATH}{kept['id']}", json=VISITORS, headers=two).status_code == 404
        hook = {"target": "http://203.0.113.1/", "filter": {"watchlists": [kept["id"]]}}
        assert client.post("/v1/webhooks/", json=hook, headers=two).status_code == 400
        assert client.get("/v1/reads/?watchlist=Visitors", headers=two).status_code == 400


def test_a_list_that_is_deleted_while_another_version_arrives_stays_deleted(client: httpx.Client) -> None:
    path = f"{PATH}{client.post(PATH, json={'name': 'gone'}).json()['id']}/"

    def body() -> Iterator[bytes]:
        yield b'{"name": '
        assert client.delete(path).status_code == 204
        yield b'"gone"}'

    assert client.put(path, content=body(), headers={"content-type": "application/json"}).status_code == 404
    assert client.get(path).status_code == 404


async def test_reads_and_events_tell_of_hits(client: httpx.Client, server: NatsServer, tmp_path: Path) -> None:
    kept = made(client)
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    for text in ("gk482ty", "ab123cd", "gk48"):
        job = new_job_id(time.time())
        plate = domain_pb2.Plate(text=text, text_score=0.9, detection_score=0.8)
        recognition = domain_pb2.Recognition(
            id=job, camera_id="gate", timestamp_us=time.time_ns() // 1000, sightings=[domain_pb2.Sighting(plate=plate)]
        )
        result = stages_pb2.Result(recognition=recognition, account="everybody")
        await bus.publish(subjects.result("gate", job), result, f"{job}.final")
    await bus.close()

    events: list[dict[str, Any]] = []
    with client.stream("GET", "/v1/events/", headers={"Last-Event-ID": "0"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
            if len(events) == 3:
                break
    assert [event.get("watchlists") for event in events] == [["Visitors"], None, None]
    assert [event.get("hits") for event in events] == [{"gk482ty": ["Visitors"]}, None, None]

    with running_index(server, tmp_path):
        wait_until(lambda: len(client.get("/v1/reads/").json().get("reads", [])) == 3)
        reads = client.get("/v1/reads/").json()["reads"]
        assert {read["plate"]: read["watchlists"] for read in reads} == {
            "gk482ty": ["Visitors"],
            "ab123cd": [],
            "gk48": [],
        }
        for name in ("Visitors", kept["id"]):
            page = client.get("/v1/reads/", params={"watchlist": name, "page_size": 1}).json()
            assert [read["plate"] for read in page["reads"]] == ["gk482ty"]
        exported = client.get("/v1/reads/export?format=json&watchlist=Visitors").json()
        assert [read["plate"] for read in exported["reads"]] == ["gk482ty"]
        assert client.get("/v1/reads/?watchlist=nobody").status_code == 400
        groups = client.get("/v1/reads/groups?watchlist=Visitors").json()["groups"]
        assert [(group["plate"], group["count"]) for group in groups] == [("gk482ty", 1)]
        for by in ("day", "camera"):
            [bucket] = client.get("/v1/reads/analytics", params={"by": by, "watchlist": "Visitors"}).json()["buckets"]
            assert bucket["count"] == 1
        other = client.post(PATH, json={"name": "Nobody", "plates": []}).json()
        lists = client.get("/v1/reads/analytics?by=watchlist").json()["buckets"]
        assert lists == [{"key": "Visitors", "count": 1}, {"key": "Nobody", "count": 0}]
        lists = client.get("/v1/reads/analytics", params={"by": "watchlist", "watchlist": other["id"]}).json()[
            "buckets"
        ]
        assert lists == [{"key": "Nobody", "count": 0}]
        assert client.get("/v1/reads/analytics?by=watchlist&camera_id=yard").json()["buckets"][0]["count"] == 0
