"""Requests that a client repeats, and requests that it does not wait for."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx
import pytest

from gateway.idempotency import LONGEST_KEY
from gateway.jobs import new_job_id
from platelane.bus import Bus, MessageInfo, subjects, topology
from platelane.client import PlateReader, Request
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from tests.support import free_port, wait_until

from .conftest import (
    BROKEN_CAMERA,
    SILENT_CAMERA,
    SLOW_CAMERA,
    Engine,
    Gateway,
    NatsServer,
    encoded,
    running_gateway,
    running_nats,
)

PATH = "/v1/plate-reader/"
ASYNC = "respond-async"
AWAY_CAMERA = "away"
"""Its first job ends because the engine is away."""


class StoringEngine(Engine):
    """An engine that keeps results too, as the aggregator does, and remembers its jobs."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.jobs: list[stages_pb2.JobContext] = []

    async def _answer(self, job: stages_pb2.Job, info: MessageInfo) -> None:
        context = job.context
        self.jobs.append(context)
        if context.camera_id == AWAY_CAMERA and len(self.of(AWAY_CAMERA)) == 1:
            failure = stages_pb2.Failure(kind=stages_pb2.FAILURE_KIND_UNAVAILABLE, detail="Triton is away.")
            await self._bus.send(context.reply_subject, stages_pb2.Reply(job_id=context.id, failure=failure))
            return
        await super()._answer(job, info)
        if context.camera_id != SILENT_CAMERA:
            recognition = domain_pb2.Recognition(id=context.id, camera_id=context.camera_id, timestamp_us=1)
            result = stages_pb2.Result(recognition=recognition, account=context.account)
            await self._bus.publish(subjects.result(context.camera_id, context.id), result, f"{context.id}.final")

    def of(self, camera: str) -> list[stages_pb2.JobContext]:
        """The jobs of a camera."""
        return [job for job in self.jobs if job.camera_id == camera]


class World(NamedTuple):
    nats: NatsServer
    engine: StoringEngine
    gateways: tuple[Gateway, Gateway]
    cloud: Gateway
    grpc: str

    def post(self, camera: str, picture: bytes, gateway: int = 0, path: str = PATH, **headers: str) -> httpx.Response:
        with self.gateways[gateway].client() as client:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            return client.post(path, data={"camera_id": camera}, files={"upload": ("a.jpg", picture)}, headers=given)

    def get(self, path: str, gateway: int = 1) -> httpx.Response:
        with self.gateways[gateway].client() as client:
            return client.get(path)

    def calls(self) -> int:
        return int(self.get("/v1/statistics/").json()["usage"]["calls"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    port = free_port()
    with (
        running_nats(tmp_path_factory.mktemp("again")) as nats,
        StoringEngine(Settings(nats_url=nats.url)) as engine,
        running_gateway(nats, grpc_port=port) as one,
        running_gateway(nats) as two,
        running_gateway(nats, profile="cloud", tokens="secret-one,secret-two", rate_limit=0, max_calls=1) as cloud,
    ):
        assert isinstance(engine, StoringEngine)
        yield World(nats, engine, (one, two), cloud, f"127.0.0.1:{port}")


@pytest.fixture
async def bus(world: World) -> AsyncIterator[Bus]:
    bus = await Bus.connect(Settings(nats_url=world.nats.url), "test")
    yield bus
    await bus.close()


@pytest.fixture
def key() -> str:
    return secrets.token_hex(8)


def test_a_request_that_is_sent_again_gets_the_first_answer(world: World, picture: bytes, key: str) -> None:
    before = world.calls()
    first = world.post("again", picture, Idempotency_Key=key)
    again = world.post("again", picture, gateway=1, Idempotency_Key=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert len(world.engine.of("again")) == 1
    assert world.calls() == before + 1
    other = world.post("again", picture, Idempotency_Key=f"{key}.")
    assert other.json()["usage"]["calls"] == first.json()["usage"]["calls"] + 1


def test_a_request_that_comes_while_the_first_is_under_way_waits_for_it(world: World, picture: bytes, key: str) -> None:
    with ThreadPoolExecutor() as pool:
        sent = [pool.submit(world.post, SLOW_CAMERA, picture, each % 2, Idempotency_Key=key) for each in range(4)]
        bodies = {each.result().content for each in sent}
    assert len(bodies) == 1
    assert len(world.engine.of(SLOW_CAMERA)) == 1


def test_a_client_whose_connection_broke_gets_the_answer_later(world: World, picture: bytes, key: str) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\nContent-Length: {len(picture)}\r\n\r\n"
    )
    before = len(world.engine.of(""))
    with socket.create_connection((world.gateways[0].host, world.gateways[0].port)) as broken:
        broken.sendall(head.encode() + picture)
        wait_until(lambda: len(world.engine.of("")) == before + 1)
    with world.gateways[1].client() as client:
        response = client.post(PATH, content=picture, headers={"Idempotency-Key": key})
    assert response.json()["results"]
    assert len(world.engine.of("")) == before + 1


def test_the_same_key_with_another_request_is_refused(world: World, picture: bytes, key: str) -> None:
    assert world.post("other", picture, Idempotency_Key=key).status_code == 200
    with world.gateways[0].client() as client:

        def status(path: str = PATH, upload: bytes = picture, name: str = "a.jpg", **data: str) -> int:
            files, headers = {"upload": (name, upload)}, {"Idempotency-Key": key}
            return client.post(path, data={"camera_id": "other", **data}, files=files, headers=headers).status_code

        assert status() == 200
        assert status(upload=encoded()) == 422
        assert status(name="b.jpg") == 422
        assert status(camera_id="another") == 422
        assert status(config='{"mode": "fast"}') == 422
        assert status(regions="de") == 422
        assert status(timestamp="2026-01-01T00:00:00Z") == 422
        assert status(path="/v1/blur/") == 422
        refused = client.post(PATH, content=picture, headers={"Idempotency-Key": key})
    assert refused.status_code == refused.json()["status_code"] == 422
    assert "Idempotency-Key" in refused.json()["detail"]
    assert len(world.engine.of("other")) == 1


@pytest.mark.parametrize("value", ["", "x" * (LONGEST_KEY + 1), "caf\u00e9", "a\tb"])
def test_keys_have_a_bound(world: World, picture: bytes, value: str) -> None:
    with world.gateways[0].client() as client:
        headers = [(b"Idempotency-Key", value.encode())]
        response = client.post(PATH, content=picture, headers=headers)
    assert response.status_code == 400
    assert "255" in response.json()["detail"]


def test_two_keys_are_refused(world: World, picture: bytes) -> None:
    with world.gateways[0].client() as client:
        headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "other")]
        answer = client.post(PATH, content=picture, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "The request has more than one Idempotency-Key.")


def test_the_longest_key(world: World, picture: bytes) -> None:
    assert world.post("", picture, Idempotency_Key="/" * LONGEST_KEY).status_code == 200


def test_a_key_is_one_accounts(world: World, picture: bytes, key: str) -> None:
    with world.cloud.client() as client:

        def post(token: str) -> httpx.Response:
            headers = {"Authorization": f"Token {token}", "Idempotency-Key": key}
            return client.post(PATH, data={"camera_id": "account"}, files={"upload": picture}, headers=headers)

        one, two = post("secret-one"), post("secret-two")
        assert (one.status_code, two.status_code) == (201, 201)
        assert one.json()["filename"] != two.json()["filename"]
        assert post("secret-one").content == one.content, "also where no call is left"
        headers = {"Authorization": "Token secret-one", "Idempotency-Key": f"{key}."}
        assert client.post(PATH, content=picture, headers=headers).status_code == 403
        # neither sees the other's results
        (first, _) = world.engine.of("account")
        path = f"/v1/results/{first.id}"
        assert client.get(path, headers={"Authorization": "Token secret-one"}).status_code == 200
        assert client.get(path, headers={"Authorization": "Token secret-two"}).status_code == 404
        assert client.get(path).status_code == 403


def test_a_failure_that_stays_is_told_again(world: World, picture: bytes, key: str) -> None:
    for _ in range(2):
        response = world.post(BROKEN_CAMERA, picture, Idempotency_Key=key)
        assert response.status_code == 400
        assert response.json()["detail"] == "The image is broken or cut off."
    assert len(world.engine.of(BROKEN_CAMERA)) == 1


def test_what_failed_because_the_engine_was_away_is_done_again(world: World, picture: bytes, key: str) -> None:
    assert world.post(AWAY_CAMERA, picture, Idempotency_Key=key).status_code == 503
    assert world.post(AWAY_CAMERA, picture, Idempotency_Key=key).status_code == 200
    assert world.post(AWAY_CAMERA, picture, Idempotency_Key=key).status_code == 200
    assert len(world.engine.of(AWAY_CAMERA)) == 2


def test_blurring_again(world: World, picture: bytes, key: str) -> None:
    first = world.post("blurred", picture, path="/v1/blur/", Idempotency_Key=key)
    again = world.post("blurred", picture, path="/v1/blur/", gateway=1, Idempotency_Key=key)
    assert first.json()["blur"]["base64"]
    assert again.content == first.content
    assert len(world.engine.of("blurred")) == 1


async def test_grpc(world: World, picture: bytes, key: str) -> None:
    def request(picture: bytes) -> Request:
        return Request(request_id=secrets.token_hex(4), image=picture, camera_id="grpc", idempotency_key=key)

    async with PlateReader(world.grpc) as reader:
        answers = [answer async for _, answer in reader.recognize_all([request(picture), request(picture)])]
        refused = [answer async for _, answer in reader.recognize_all([request(encoded())])]
    assert answers[0] == answers[1]
    assert len(world.engine.of("grpc")) == 1
    assert "Idempotency-Key" in str(refused)


def test_a_client_that_does_not_wait_gets_an_id_at_once(world: World, picture: bytes) -> None:
    accepted = world.post("async", picture, Prefer=ASYNC)
    assert accepted.status_code == 202
    assert accepted.headers["Preference-Applied"] == "respond-async"
    body, location = accepted.json(), accepted.headers["Location"]
    assert location == body["result"] == f"/v1/results/{body['id']}"
    wait_until(lambda: world.get(location).status_code == 200)
    result = world.get(f"{location}/").json()
    assert (result["id"], result["camera_id"]) == (body["id"], "async")
    (job,) = world.engine.of("async")
    assert 200 < (job.deadline_us - job.accepted_us) / 1e6 <= 300, "minutes, and not the seconds of one who waits"


def test_what_is_under_way_is_202_and_what_failed_is_its_error(world: World, picture: bytes) -> None:
    silent = world.post(SILENT_CAMERA, picture, Prefer='foo="a, b", Respond-Async, wait=10').headers["Location"]
    pending = world.get(silent)
    assert (pending.status_code, pending.json()["status"]) == (202, "pending")
    assert pending.headers["Retry-After"] == "1"
    broken = world.post(BROKEN_CAMERA, picture, Prefer=ASYNC).headers["Location"]
    wait_until(lambda: world.get(broken).status_code != 202)
    failed = world.get(broken)
    assert (failed.status_code, failed.json()["detail"]) == (400, "The image is broken or cut off.")


@pytest.mark.parametrize("name", ["0" * 32, "unknown", "*", ">", "a.b", "x" * 32, "%E2%82%AC"])
def test_an_id_that_nobody_knows(world: World, name: str) -> None:
    assert world.get(f"/v1/results/{name}").status_code == 404


async def test_what_was_not_read_in_its_time_has_failed(world: World, bus: Bus) -> None:
    job_id = new_job_id(time.time() - 302)
    pending = stages_pb2.Reply(job_id=job_id).SerializeToString()
    await bus.stream(topology.OUTCOMES).put(subjects.outcome("everybody", job_id), pending)
    response = await asyncio.to_thread(world.get, f"/v1/results/{job_id}")
    assert response.status_code == 503
    assert "300 seconds" in response.json()["detail"]
    assert "Retry-After" not in response.headers


def test_a_client_that_does_not_wait_may_send_again(world: World, picture: bytes, key: str) -> None:
    first = world.post("both", picture, Idempotency_Key=key, Prefer=ASYNC)
    again = world.post("both", picture, gateway=1, Idempotency_Key=key, Prefer=ASYNC)
    assert (first.status_code, again.content) == (202, first.content)
    waited = world.post("both", picture, Idempotency_Key=key)
    assert waited.status_code == 200
    assert len(world.engine.of("both")) == 1


def test_other_preferences_and_blurring_wait(world: World, picture: bytes) -> None:
    assert world.post("", picture, Prefer="return=minimal").status_code == 200
    assert world.post("", picture, Prefer="respond-asynchronously").status_code == 200
    blurred = world.post("", picture, path="/v1/blur/", Prefer=ASYNC)
    assert blurred.status_code == 200
    assert "Preference-Applied" not in blurred.headers
