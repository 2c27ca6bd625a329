"""Corrections of reads, with real gateways and a real index, and the folder to learn from."""

from __future__ import annotations

import asyncio
import csv
import io
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway import corrections
from gateway.corrections import Correction, Corrections
from gateway.jobs import new_job_id
from gateway.results_query import History
from platelane.bus import Bus, subjects, topology
from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.read_id import ReadId
from platelane.runtime.settings import Settings
from platelane.tokens import account, fingerprint

from .conftest import PATIENCE, NatsServer, applied, running_gateway, running_index, running_nats

ONE, TWO = (account(fingerprint(token)) for token in ("secret-one", "secret-two"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_nats(tmp_path_factory.mktemp("corrections")) as server:
        applied(Settings(nats_url=server.url))
        with running_index(server, tmp_path_factory.mktemp("index")):
            yield server


@pytest.fixture(scope="module")
def client(server: NatsServer) -> Iterator[httpx.Client]:
    with running_gateway(server) as gateway, gateway.client() as client:
        yield client


async def see(server: NatsServer, text: str, owner: str = "everybody", *, picture: bool = True) -> str:
    """The id of a read."""
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    job = new_job_id(time.time())
    plate = domain_pb2.Plate(
        text=text, text_score=0.9, crop=0 if picture else None, regions=[domain_pb2.Scored(value="de", score=0.8)]
    )
    recognition = domain_pb2.Recognition(
        id=job, camera_id="gate", timestamp_us=time.time_ns() // 1000, sightings=[domain_pb2.Sighting(plate=plate)]
    )
    crops = stages_pb2.KeptCrops(plates=[stages_pb2.KeptCrop(plate=f"picture of {text}".encode())])
    await bus.stream(topology.KV_CROPS).put(subjects.crops(job), crops.SerializeToString())
    await bus.publish(subjects.result("gate", job), stages_pb2.Result(recognition=recognition, account=owner), job)
    await bus.close()
    return f"{job}.0"


def becomes(client: httpx.Client, path: str, expected: Any, headers: dict[str, str] | None = None) -> None:
    """Return once the answer's reads have these corrections, or the answer is this."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = client.get(path, headers=headers)
        body = answer.json()
        seen = [read["correction"] for read in body["reads"]] if "reads" in body else body
        if answer.status_code == 200 and seen == expected:
            return
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)


def folder(
    client: httpx.Client, headers: dict[str, str] | None = None
) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    answer = client.get("/v1/reads/corrections.zip", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert found.testzip() is None
        files = {name: found.read(name) for name in found.namelist()}
    return list(csv.DictReader(io.StringIO(files.pop("plates.csv").decode()))), files


async def test_a_read_is_put_right_counted_learnt_from_and_taken_back(client: httpx.Client, server: NatsServer) -> None:
    wrong, right = await see(server, "ab12cde"), await see(server, "kx99")
    bare = await see(server, "nopic1", picture=False)
    said = {"plate": "ab12cdf", "region": "fr", "accepted": True}
    answer = client.put(f"/v1/reads/{wrong}/correction", json=said | {"plate": "AB-12 CDF", "region": "FR"})
    assert (answer.status_code, answer.json()) == (200, said)
    for read in (right, bare):
        assert client.put(f"/v1/reads/{read}/correction/", json={"accepted": True}).status_code == 200
    becomes(client, "/v1/reads/?plate=ab12cdf", [said])
    becomes(client, "/v1/reads/accuracy/", {"cameras": [{"camera_id": "gate", "reviewed": 3, "correct": 2}]})
    rows, files = folder(client)
    assert rows == [
        {"file": f"{right}.webp", "text": "kx99", "region": "de"},
        {"file": f"{wrong}.webp", "text": "ab12cdf", "region": "fr"},
    ]
    assert files == {f"{right}.webp": b"picture of kx99", f"{wrong}.webp": b"picture of ab12cde"}
    lines = {line["id"]: line for line in csv.DictReader(io.StringIO(client.get("/v1/reads/export/").text))}
    assert (lines[wrong]["plate"], lines[wrong]["corrected"]) == ("ab12cde", "ab12cdf")

    for read in (wrong, right, bare):
        assert client.delete(f"/v1/reads/{read}/correction").status_code == 204
        assert client.delete(f"/v1/reads/{read}/correction").status_code == 404
    becomes(client, "/v1/reads/accuracy/?by=camera", {"cameras": []})
    becomes(client, "/v1/reads/?plate=ab12cde", [None])
    assert folder(client) == ([], {})


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"accepted": False},
        {"plate": ""},
        {"plate": "--"},
        {"plate": "ab?2"},
        {"plate": "ab*"},
        {"plate": "ab\uff1f2"},
        {"plate": "a" * 17},
        {"plate": 7},
        {"region": "nowhere"},
        {"make": " "},
        {"make": "a" * 61},
        {"color": "re\x00d"},
        {"model": "a\nb"},
        {"text": "ab12"},
        [],
    ],
)
async def test_what_makes_no_sense_is_refused(client: httpx.Client, said: Any) -> None:
    answer = client.put(f"/v1/reads/{new_job_id(time.time())}.0/correction", json=said)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]
    assert "Value error" not in answer.text


async def test_other_paths_and_reads_there_are_not(client: httpx.Client, server: NatsServer) -> None:
    known = await see(server, "zz1")
    for read in (f"{new_job_id(time.time())}.0", known.replace(".0", ".1"), "x", "0.0"):
        assert client.put(f"/v1/reads/{read}/correction", json={"accepted": True}).status_code == 404
        assert client.delete(f"/v1/reads/{read}/correction").status_code == 404
    answer = client.get("/v1/reads/accuracy?by=month")
    assert (answer.status_code, answer.json()["detail"]) == (400, "by must be camera.")
    elsewhere = {"origin": "https://elsewhere.example"}
    assert client.put(f"/v1/reads/{known}/correction", json={"accepted": True}, headers=elsewhere).status_code == 403
    assert client.get("/v1/reads/corrections.zip", headers=elsewhere).status_code == 403


async def test_an_account_has_a_number_of_them_and_others_have_theirs(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "MOST_CORRECTIONS", 2)
    bus = await Bus.connect(Settings(nats_url=server.url), "test")
    kept, said = Corrections(bus, History(bus)), Correction(accepted=True)
    mine = [ReadId.parse(await see(server, f"many{number}", "many")) for number in range(3)]
    other = ReadId.parse(await see(server, "few", "few"))

    async def counted(owner: str, expected: int) -> None:
        end = time.monotonic() + PATIENCE
        while await kept._number(owner) != expected:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)

    for read in mine[:2]:
        await kept.put(read, said, "many")
    await counted("many", 2)
    with pytest.raises(BadRequest, match="limit of 2 corrections"):
        await kept.put(mine[2], said, "many")
    await kept.put(other, said, "few")
    await kept.delete(mine[0], "many")
    await counted("many", 1)
    await kept.put(mine[2], said, "many")
    await bus.close()


async def test_a_token_corrects_and_sees_its_own(server: NatsServer) -> None:
    mine, other = await see(server, "mine11", ONE), await see(server, "other22", TWO)
    with running_gateway(server, profile="cloud", tokens="secret-one,secret-two") as cloud, cloud.client() as tenant:
        one, two = ({"authorization": f"Token secret-{name}"} for name in ("one", "two"))
        for read, headers, status in ((mine, one, 200), (other, two, 200), (other, one, 404), (mine, {}, 403)):
            answer = tenant.put(f"/v1/reads/{read}/correction", json={"accepted": True}, headers=headers)
            assert answer.status_code == status
        assert tenant.delete(f"/v1/reads/{other}/correction", headers=one).status_code == 404
        becomes(tenant, "/v1/reads/accuracy", {"cameras": [{"camera_id": "gate", "reviewed": 1, "correct": 1}]}, one)
        rows, files = folder(tenant, one)
        assert [row["text"] for row in rows] == ["mine11"]
        assert list(files) == [f"{mine}.webp"]
        assert tenant.get("/v1/reads/corrections.zip").status_code == 403
