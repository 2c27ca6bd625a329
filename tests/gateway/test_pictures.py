"""Small pictures of plates, vehicles and cameras: who sees which."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.jobs import new_job_id
from platelane.bus import Bus, subjects, topology
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.tokens import account, fingerprint

from .conftest import PATIENCE, Gateway, NatsServer

ONE, TWO = (account(fingerprint(token)) for token in ("secret-one", "secret-two"))


@pytest.fixture
async def bus(served: NatsServer) -> AsyncIterator[Bus]:
    bus = await Bus.connect(Settings(nats_url=served.url), "test")
    yield bus
    await bus.close()


async def see(bus: Bus, owner: str = "everybody", *, crop: int | None = 1) -> str:
    """The id of a result with a plate in the second place, whose pictures are kept."""
    job = new_job_id(time.time())
    sightings = [domain_pb2.Sighting(), domain_pb2.Sighting(plate=domain_pb2.Plate(text="ab12cde", crop=crop))]
    recognition = domain_pb2.Recognition(id=job, camera_id="gate 7/in", sightings=sightings)
    crops = stages_pb2.KeptCrops(plates=[stages_pb2.KeptCrop(plate=b"other"), stages_pb2.KeptCrop(plate=b"plate")])
    await bus.stream(topology.KV_CROPS).put(subjects.crops(job), crops.SerializeToString())
    result = stages_pb2.Result(recognition=recognition, account=owner)
    await bus.publish(subjects.result("gate 7/in", job), result, f"{job}.final")
    return job


async def test_a_plate_is_found_by_its_place_in_the_results(client: httpx.Client, bus: Bus) -> None:
    job = await see(bus)
    answer = client.get(f"/v1/results/{job}.1/plate.webp")
    assert (answer.status_code, answer.content) == (200, b"plate")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "immutable" in answer.headers["cache-control"]


async def test_what_there_is_not(client: httpx.Client, bus: Bus) -> None:
    job, bare = await see(bus), await see(bus, crop=None)
    missing, future = new_job_id(1.0), f"{'f' * 32}"
    for path in (
        f"{job}.1/vehicle",
        f"{job}.0/plate",
        f"{job}.2/plate",
        f"{bare}.1/plate",
        f"{missing}.0/plate",
        f"{future}.0/plate",
        "x/plate",
    ):
        answer = client.get(f"/v1/results/{path}.webp")
        assert (answer.status_code, answer.json()["status_code"]) == (404, 404), path


async def test_pictures_are_not_for_pages_of_other_sites(client: httpx.Client, bus: Bus) -> None:
    job = await see(bus)
    for path in (f"/v1/results/{job}.1/plate.webp", "/v1/cameras/gate/picture.webp"):
        assert client.get(path, headers={"origin": "https://elsewhere.example"}).status_code == 403


async def test_a_token_sees_its_own(cloud: Gateway, bus: Bus) -> None:
    job = await see(bus, ONE)
    cameras = bus.stream(topology.KV_CAMERAS)
    await cameras.put(subjects.camera_picture(ONE, "gate 7/in"), b"camera")
    with httpx.Client(base_url=cloud.url, timeout=PATIENCE, trust_env=False) as client:
        for token, status in (("secret-one", 200), ("secret-two", 404), ("wrong", 403)):
            headers = {"authorization": f"Token {token}"}
            assert client.get(f"/v1/results/{job}.1/plate.webp", headers=headers).status_code == status
            camera = client.get("/v1/cameras/gate%207%2Fin/picture.webp", headers=headers)
            assert camera.status_code == status
            assert status != 200 or camera.content == b"camera"
