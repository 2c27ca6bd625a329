"""The cloud profile's tokens: created, listed and revoked with `platelane tokens`; their limits across two gateways."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from platelane.bus import Bus, subjects
from platelane.client import PlateReader, Request
from platelane.client import request as picture_request
from platelane.errors import Forbidden
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.tokens import account, fingerprint
from tests.support import free_port, wait_until

from .conftest import (
    BROKEN_CAMERA,
    PATIENCE,
    SLOW_CAMERA,
    Engine,
    Gateway,
    NatsServer,
    running_gateway,
    running_nats,
)
from .test_http import connected, request

PATH = "/v1/plate-reader/"
THROTTLED = "Request was throttled. Expected available in 1 second."


class Cloud(NamedTuple):
    nats: NatsServer
    gateways: tuple[Gateway, Gateway]
    state_dir: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`platelane tokens ...`"""
        return subprocess.run(
            [sys.executable, "-m", "platelane.cli", "tokens", *arguments],
            env={
                **os.environ,
                "PLATELANE_NATS_URL": self.nats.url,
                "PLATELANE_STATE_DIR": str(self.state_dir),
                "COLUMNS": "200",
                "PLATELANE_RATE_LIMIT": "0",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def create(self, *arguments: str) -> str:
        done = self.command("create", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def read(self, picture: bytes, authorization: str, gateway: int = 0, camera_id: str = "") -> httpx.Response:
        with self.gateways[gateway].client() as client:
            files = {"upload": ("car.jpg", picture)}
            return client.post(
                PATH, data={"camera_id": camera_id}, files=files, headers={"Authorization": authorization}
            )

    def wait_for(self, picture: bytes, token: str, status: int) -> None:
        """Until both gateways answer so; that takes a moment."""
        wait_until(
            lambda: {self.read(picture, f"Token {token}", gateway).status_code for gateway in (0, 1)} == {status}
        )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with (
        running_nats(tmp_path_factory.mktemp("tokens")) as nats,
        Engine(Settings(nats_url=nats.url)),
        running_gateway(nats, profile="cloud", tokens="of-settings, žluť", rate_limit=0, max_calls=500) as first,
        running_gateway(nats, profile="cloud", tokens="of-settings, žluť", rate_limit=0, max_calls=500) as second,
    ):
        yield Cloud(nats, (first, second), tmp_path_factory.mktemp("state"))


def statistics(cloud: Cloud, token: str) -> dict[str, Any]:
    with cloud.gateways[1].client() as client:
        body: dict[str, Any] = client.get("/v1/statistics", headers={"Authorization": f"Token {token}"}).json()
        return body


@pytest.mark.parametrize(
    "authorization", ["", "Token", "Token wrong", "Basic b2Y=", "Token of-setting", "Token of-settings2"]
)
def test_who_has_no_token_gets_403(cloud: Cloud, picture: bytes, authorization: str) -> None:
    response = cloud.read(picture, authorization)
    assert response.status_code == 403
    assert response.json() == {"detail": "Invalid token.", "error": "Invalid token.", "status_code": 403}


def test_tokens_of_the_settings(cloud: Cloud, picture: bytes) -> None:
    for authorization in ("Token of-settings", "token of-settings", "Bearer of-settings", "of-settings"):
        assert cloud.read(picture, authorization).status_code == 201


@pytest.mark.parametrize(
    "authorization", ["Token of-settings ", "Token  of-settings", "Token\tof-settings", " Token of-settings \t"]
)
def test_blanks_around_a_token_are_none_of_it(cloud: Cloud, authorization: str) -> None:
    """A client builds its header so; libraries that would refuse to send it are not what everybody uses."""
    with connected(cloud.gateways[0]) as connection:
        connection.send(request(f"Authorization: {authorization}", path="/v1/statistics/", method="GET"))
        assert connection.answer().status == 200


def test_a_token_works_once_it_is_created_until_it_is_revoked(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("gate 7")
    assert len(token) == 40
    cloud.wait_for(picture, token, 201)
    listed = cloud.command("list").stdout
    assert "gate 7" in listed
    assert token not in listed
    assert cloud.command("revoke", "gate 7").returncode == 0
    cloud.wait_for(picture, token, 403)
    assert "gate 7" not in cloud.command("list").stdout


async def test_open_streams_end_at_the_next_picture_once_their_token_is_revoked(cloud: Cloud, picture: bytes) -> None:
    token = await asyncio.to_thread(cloud.create, "streams")
    revoked = asyncio.Event()

    async def pictures() -> AsyncIterator[Request]:
        yield picture_request(picture, "before")
        await revoked.wait()
        yield picture_request(picture, "after")
        await asyncio.Event().wait()

    async def store(bus: Bus, name: str) -> None:
        recognition = domain_pb2.Recognition(id=name, camera_id="gate")
        result = stages_pb2.Result(recognition=recognition, account=account(fingerprint(token)))
        await bus.publish(subjects.result("gate", name), result, f"{name}.final")

    ids: list[str] = []

    async def collect() -> None:
        async for recognition in subscribed:
            ids.append(recognition.id)

    port = free_port()
    bus = await Bus.connect(Settings(nats_url=cloud.nats.url), "test")
    headers = {"Authorization": f"Token {token}"}
    with running_gateway(cloud.nats, profile="cloud", rate_limit=0, grpc_port=port) as gateway:
        async with (
            asyncio.timeout(PATIENCE),
            PlateReader(f"127.0.0.1:{port}", token) as reader,
            httpx.AsyncClient(base_url=gateway.url, headers=headers, trust_env=False) as client,
            client.stream("GET", "/v1/events/") as response,
        ):
            answers, lines = reader.recognize_all(pictures()), response.aiter_lines()
            subscribed = reader.subscribe()
            first = asyncio.ensure_future(anext(subscribed))
            assert (await anext(answers))[0] == "before"
            while not first.done():
                await store(bus, f"before{time.monotonic_ns()}")
                await asyncio.sleep(0.1)
            seen = [await anext(lines) for _ in range(5)]
            assert seen[2].startswith("id: ")

            assert (await asyncio.to_thread(cloud.command, "revoke", "streams")).returncode == 0
            while (await client.get("/v1/statistics/")).status_code != 403:
                await asyncio.sleep(0.02)
            revoked.set()
            await store(bus, "after")
            with pytest.raises(Forbidden, match="Invalid token"):
                await anext(answers)
            with pytest.raises(Forbidden, match="Invalid token"):
                await collect()
            assert "after" not in ids
            assert not [line async for line in lines if '"id":"after"' in line]
    await bus.close()


def test_only_the_hash_is_stored(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("hashed")
    cloud.wait_for(picture, token, 201)
    store = cloud.nats._config.parent / "store"
    stored = [file.read_bytes() for file in store.rglob("*") if file.is_file()]
    assert any(b'"name":"hashed"' in data for data in stored)
    assert not any(token.encode() in data for data in stored)


def test_names_are_used_once_and_what_is_not_there_cannot_be_revoked(cloud: Cloud) -> None:
    cloud.create("twice")
    for arguments in (("create", "twice"), ("create", " "), ("revoke", "nobody"), ("create", "x", "--max-calls", "-1")):
        done = cloud.command(*arguments)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr


def test_the_rate_holds_across_gateways(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("rate", "--rate-limit", "3")
    cloud.wait_for(picture, token, 429)  # which uses up the rate of a second or two
    for _ in range(5):  # a second may begin in between, and with it a new allowance
        time.sleep(1.1 - time.time() % 1)
        with ThreadPoolExecutor(8) as pool:
            asked = time.time()
            answers = list(pool.map(lambda number: cloud.read(picture, f"Token {token}", number % 2), range(8)))
        if int(asked) == int(time.time()):
            break
    else:
        pytest.fail("the machine is too slow for eight requests in a second")
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 5
    throttled = next(answer for answer in answers if answer.status_code == 429)
    assert throttled.headers["retry-after"] == "1"
    assert throttled.json() == {"detail": THROTTLED, "error": THROTTLED, "status_code": 429}
    time.sleep(1.1)
    assert cloud.read(picture, f"Token {token}").status_code == 201


def test_one_tokens_rate_is_not_anothers(cloud: Cloud, picture: bytes) -> None:
    slow, fast = cloud.create("slow", "--rate-limit", "1"), cloud.create("fast", "--rate-limit", "0")
    cloud.wait_for(picture, slow, 429)
    assert {cloud.read(picture, f"Token {fast}").status_code for _ in range(12)} == {201}


def test_the_months_calls_hold_across_gateways(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("quota", "--max-calls", "5")
    cloud.wait_for(picture, token, 201)
    used = statistics(cloud, token)["usage"]
    assert isinstance(used, dict)
    answers = [cloud.read(picture, f"Token {token}", number % 2) for number in range(8)]
    left = 5 - int(used["calls"])
    assert [answer.status_code for answer in answers] == [201] * left + [403] * (8 - left)
    assert answers[-1].json()["status_code"] == 403
    assert "credits" in answers[-1].json()["detail"]
    after = statistics(cloud, token)
    assert after["total_calls"] == 5
    assert after["usage"] == {**used, "calls": 5}
    [row] = [line for line in cloud.command("list").stdout.splitlines() if "quota" in line]
    assert [cell.strip() for cell in row.split("│")][-4:-1] == ["0 (default)", "5", "5"]


def test_the_last_calls_are_not_used_twice_by_those_that_come_at_once(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("at once", "--max-calls", "3")
    cloud.wait_for(b"no picture", token, 400)
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(cloud.read, picture, f"Token {token}", each % 2, SLOW_CAMERA) for each in range(8)]
        answers = [each.result().status_code for each in sent]
    assert sorted(answers) == [201] * 3 + [403] * 5
    used = statistics(cloud, token)["usage"]
    assert isinstance(used, dict)
    assert used["calls"] == 3


def test_what_is_not_waited_for_uses_up_calls_and_what_fails_gives_them_back(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("not waited for", "--max-calls", "2")
    cloud.wait_for(b"no picture", token, 400)

    def post(camera: str) -> int:
        with cloud.gateways[0].client() as client:
            headers = {"Authorization": f"Token {token}", "Prefer": "respond-async"}
            answer = client.post(PATH, data={"camera_id": camera}, files={"upload": picture}, headers=headers)
            return answer.status_code

    assert [post(SLOW_CAMERA) for _ in range(4)] == [202, 202, 403, 403]
    wait_until(lambda: statistics(cloud, token)["usage"]["calls"] == 2)
    broken = cloud.create("broken", "--max-calls", "1")
    cloud.wait_for(b"no picture", broken, 400)
    answers = [cloud.read(picture, f"Token {broken}", 0, camera) for camera in (BROKEN_CAMERA, BROKEN_CAMERA, "", "")]
    assert [answer.status_code for answer in answers] == [400, 400, 201, 403]


def test_only_recognised_pictures_use_up_calls(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("bad pictures", "--max-calls", "3")
    for _ in range(6):
        assert cloud.read(b"no picture", f"Token {token}").status_code in (400, 403)
    cloud.wait_for(picture, token, 201)


def test_calls_are_each_tokens_own(cloud: Cloud, picture: bytes) -> None:
    one, other = cloud.create("one"), cloud.create("other")
    cloud.wait_for(picture, one, 201)
    calls = statistics(cloud, other)["usage"]
    assert isinstance(calls, dict)
    assert calls["calls"] == 0
    assert statistics(cloud, other)["total_calls"] == 500


def test_tokens_survive_a_restart_of_nats(cloud: Cloud, picture: bytes) -> None:
    token = cloud.create("lasting")
    revoked = cloud.create("not lasting")
    assert cloud.command("revoke", "not lasting").returncode == 0
    cloud.wait_for(picture, token, 201)
    cloud.nats.stop()
    cloud.nats.start()
    wait_until(lambda: cloud.read(picture, f"Token {token}").status_code == 201)
    assert cloud.read(picture, f"Token {revoked}").status_code == 403


def test_without_nats_the_command_says_so(cloud: Cloud, tmp_path: Path) -> None:
    nobody = NatsServer(tmp_path, "1GB")
    done = Cloud(nobody, cloud.gateways, tmp_path).command("list")
    assert done.returncode == 1
    assert "NATS cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
