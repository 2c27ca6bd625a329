"""`/v1/reads/` and `/v1/cameras/` of real gateways, over a real index."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.jobs import new_job_id
from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.tokens import account, fingerprint

from .conftest import PATIENCE, Gateway, NatsServer, applied, running_gateway, running_index, running_nats

ONE, TWO = (account(fingerprint(token)) for token in ("secret-one", "secret-two"))
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("reads")) as server:
        applied(Settings(nats_url=server.url))
        yield server


@pytest.fixture(scope="module")
def index(server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with running_index(server, tmp_path_factory.mktemp("index")):
        yield


@pytest.fixture(scope="module")
def gateway(server: NatsServer) -> Iterator[Gateway]:
    with running_gateway(server) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


async def see(server: NatsServer, *seen: tuple[str, str, str]) -> None:
    """Results of now: owner, camera and plate of each."""
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    for owner, camera, text in seen:
        job = new_job_id(time.time())
        plate = domain_pb2.Plate(text=text, text_score=0.9, detection_score=0.8, crop=0)
        recognition = domain_pb2.Recognition(
            id=job, camera_id=camera, timestamp_us=time.time_ns() // 1000, sightings=[domain_pb2.Sighting(plate=plate)]
        )
        result = stages_pb2.Result(recognition=recognition, account=owner)
        await bus.publish(subjects.result(camera, job), result, f"{job}.final")
    await bus.close()


def found(client: httpx.Client, number: int, path: str = "/v1/reads/", **parameters: Any) -> dict[str, Any]:
    """The answer, once it has that many reads."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = client.get(path, params=parameters)
        if answer.status_code == 200 and len(answer.json()["reads"]) == number:
            return dict(answer.json())
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)


async def test_without_an_index_searches_are_refused(client: httpx.Client) -> None:
    answer = client.get("/v1/reads/")
    assert answer.status_code == 503
    assert "index" in answer.json()["detail"]
    assert client.get("/v1/results/?plate=ab").json() == {"results": [], "next": None}


@pytest.mark.usefixtures("index")
async def test_reads_are_found_exported_grouped_and_counted(client: httpx.Client, server: NatsServer) -> None:
    await see(
        server, ("everybody", "north/1", "ab12cde"), ("everybody", "=cmd", "xy99"), ("everybody", EVIL, "ab12cdx")
    )
    page = found(client, 3)
    assert [read["plate"] for read in page["reads"]] == ["ab12cdx", "xy99", "ab12cde"]
    assert page["reads"][0]["camera_id"] == EVIL
    assert (page["next"], page["total"]) == (None, 3)
    assert [read["plate"] for read in found(client, 2, plate="AB*")["reads"]] == ["ab12cdx", "ab12cde"]
    assert len(client.get("/v1/reads/?plate=ab12cdz&match=near").json()["reads"]) == 2
    first = client.get("/v1/reads/?page_size=2").json()
    rest = client.get("/v1/reads/", params={"page_size": 2, "cursor": first["next"]}).json()
    assert [read["plate"] for read in rest["reads"]] == ["ab12cde"]

    lines = list(csv.DictReader(io.StringIO(client.get("/v1/reads/export").text)))
    assert [line["camera_id"] for line in lines] == [EVIL, "'=cmd", "north/1"]
    exported = client.get("/v1/reads/export?format=json&plate=xy99")
    assert [read["plate"] for read in exported.json()["reads"]] == ["xy99"]
    assert exported.headers["content-disposition"] == 'attachment; filename="reads.json"'

    groups = client.get("/v1/reads/groups?plate=xy99").json()["groups"]
    assert [(group["plate"], group["count"]) for group in groups] == [("xy99", 1)]
    buckets = client.get("/v1/reads/analytics?by=camera").json()["buckets"]
    assert {bucket["key"] for bucket in buckets} == {"north/1", "=cmd", EVIL}
    cameras = client.get("/v1/cameras/").json()
    assert [camera["camera_id"] for camera in cameras] == [EVIL, "=cmd", "north/1"]
    assert cameras[2]["picture"] == "/v1/cameras/north%2F1/picture.webp"

    results = client.get("/v1/results/?plate=ab12&page_size=1").json()
    assert results["results"][0]["results"][0]["plate"] == "ab12cdx"
    assert client.get(results["next"]).json()["results"][0]["results"][0]["plate"] == "ab12cde"


@pytest.mark.parametrize(
    "query",
    [
        "match=like",
        "plate=" + "a" * 65,
        "plate=ab&match=near",
        "plate=ab*&match=exact",
        "plate=ab12?&match=near",
        "plate=%EF%BC%9Fab12&match=exact",
        "plate=---",
        "plate=[a-z]12",
        "plate=ab%25",
        "plate=%E4%BA%AC*",
        "score_min=2",
        "score_min=nan",
        "after=yesterday",
        "cursor=1",
        "cursor=" + "1" * 61,
        "region=" + "a" * 101,
        "camera_id=" + "a" * 1_001,
        "page_size=many",
    ],
)
@pytest.mark.usefixtures("index")
async def test_what_makes_no_sense_is_said(client: httpx.Client, query: str) -> None:
    found(client, 3)
    answer = client.get(f"/v1/reads/?{query}")
    assert answer.status_code == 400, answer.text
    assert query.partition("=")[0] in answer.json()["detail"] or "name" in answer.json()["detail"]


@pytest.mark.usefixtures("index")
async def test_a_token_sees_its_own_and_other_sites_nothing(client: httpx.Client, server: NatsServer) -> None:
    await see(server, (ONE, "gate", "mine11"), (TWO, "gate", "other22"))
    found(client, 5)
    with running_gateway(server, profile="cloud", tokens="secret-one,secret-two") as cloud, cloud.client() as tenant:
        headers = {"authorization": "Token secret-one"}
        page = tenant.get("/v1/reads/", headers=headers).json()
        assert [read["plate"] for read in page["reads"]] == ["mine11"]
        assert tenant.get("/v1/reads/?plate=other22", headers=headers).json()["reads"] == []
        assert [each["reads"] for each in tenant.get("/v1/cameras/", headers=headers).json()] == [1]
        assert tenant.get("/v1/reads/").status_code == 403
    for path in ("/v1/reads/", "/v1/reads/export", "/v1/reads/groups", "/v1/reads/analytics?by=day", "/v1/cameras/"):
        assert client.get(path, headers={"origin": "https://elsewhere.example"}).status_code == 403
