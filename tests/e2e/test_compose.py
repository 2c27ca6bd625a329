"""The compose files, with real containers: built, started, scaled, asked under a crash, upgraded, taken down.

Runs where a Docker engine answers and the base images are already there; nothing is pulled.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from platelane.client import PlateReader

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "gate.jpg"
PLATE = "gk482tv"
FILES = ("docker-compose.yml", "docker-compose.cpu.yml")
PYTHON_IMAGE = "python:3.11-slim"
NATS_IMAGE = os.environ.get("NATS_IMAGE", "nats:2.12-alpine")
OURS = {"gateway", "detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads"}
SERVICES = {*OURS, "front", "nats", "triton"}
ONCE = {"keys", "topology", "token"}
"""What ends once it has done its work."""
PATIENCE = 100.0
"""Seconds for an answer: these tests are about failures, on a machine that may be slow."""

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True)
class Compose:
    """One project of the compose files, under a name of its own."""

    url: str
    grpc_address: str
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """Standard output of `docker compose ...`. Fails the test with the end of what went wrong."""
        return self.run("docker", "compose", *arguments)

    def run(self, *command: str, **environment: str) -> str:
        """The same for any command, with these variables changed."""
        changed = {**self.environment, **environment}
        done = subprocess.run(command, cwd=ROOT, env=changed, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr[-4000:]}")
        return done.stdout

    @property
    def token(self) -> str:
        """The first token, where an operator finds it."""
        [token] = re.findall(r"[0-9a-f]{40}", self("logs", "--no-log-prefix", "token"))
        return str(token)

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """What `docker inspect` says of the project's containers, of one service or all."""
        ids = self("ps", "--all", "--quiet", *filter(None, [service])).split()
        result: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
        return result


def docker(*arguments: str, timeout: float = 60) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=timeout).stdout


def works(*arguments: str) -> bool:
    try:
        docker(*arguments, timeout=10)
    except (subprocess.SubprocessError, OSError):
        return False
    return True


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def client(compose: Compose, token: str | None = None) -> httpx.Client:
    headers = {"Authorization": f"Token {token or compose.token}"}
    return httpx.Client(base_url=compose.url, headers=headers, timeout=PATIENCE, trust_env=False)


def plate(client: httpx.Client) -> str:
    """The sample's best plate, as the API reads it."""
    answer = client.post("/v1/plate-reader/", files={"upload": ("gate.jpg", SAMPLE.read_bytes(), "image/jpeg")})
    assert answer.status_code == 201, answer.text
    text: str = answer.json()["results"][0]["plate"]
    return text


def plates_on_kept_connection(compose: Compose, stop: threading.Event) -> list[str]:
    """Read again and again until `stop`."""
    plates = []
    with client(compose) as kept:
        while not stop.is_set():
            plates.append(plate(kept))
    return plates


def plates_on_new_connections(compose: Compose, stop: threading.Event) -> list[str]:
    plates, token = [], compose.token
    while not stop.is_set():
        with client(compose, token) as new:
            plates.append(plate(new))
    return plates


def plates_over_grpc(compose: Compose, stop: threading.Event) -> list[str]:
    async def read() -> list[str]:
        plates = []
        async with PlateReader(compose.grpc_address, compose.token) as reader:
            while not stop.is_set():
                recognition = await reader.recognize(SAMPLE.read_bytes(), timeout=PATIENCE)
                plates.append(recognition.sightings[0].plate.text)
        return plates

    return asyncio.run(read())


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if shutil.which("docker") is None or not works("info"):
        pytest.skip("no Docker engine answers here")
    if not works("compose", "version"):
        pytest.skip("no docker compose client")
    for image in (PYTHON_IMAGE, NATS_IMAGE):
        if not works("image", "inspect", image):
            pytest.skip(f"the image {image} is not on this machine, and tests pull nothing")
    patient = tmp_path_factory.mktemp("compose") / "patient.yml"
    patient.write_text(json.dumps({"services": {"gateway": {"environment": {"PLATELANE_DEADLINE": "60"}}}}))
    port, grpc_port = free_port(), free_port()
    chosen = {
        "COMPOSE_PROJECT_NAME": f"platelane-test-{secrets.token_hex(4)}",
        "COMPOSE_FILE": os.pathsep.join((*FILES, str(patient))),
        "NATS_IMAGE": NATS_IMAGE,
        "PLATELANE_IMAGE": "platelane:test",
        "PLATELANE_FRONT_IMAGE": "platelane-front:test",
        "PLATELANE_TRITON_CPU_IMAGE": "platelane-triton-cpu:test",
        "PLATELANE_BIND": "127.0.0.1",
        "PLATELANE_PORT": str(port),
        "PLATELANE_GRPC_PORT": str(grpc_port),
    }
    project = Compose(f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", {**os.environ, **chosen})
    project("build")
    try:
        try:
            project("up", "--detach", "--wait", "--no-build", "--pull", "never")
        except AssertionError as error:
            error.add_note(project("logs", "--tail", "10"))
            raise
        yield project
    finally:
        project("down", "--volumes", "--remove-orphans", "--timeout", "20")
        assert project.containers() == []


def test_every_service_is_up_healthy_and_confined(compose: Compose) -> None:
    containers = {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in compose.containers()}
    assert set(containers) == SERVICES | ONCE
    for name, container in containers.items():
        if name in ONCE:
            assert (container["State"]["Status"], container["State"]["ExitCode"]) == ("exited", 0), name
        else:
            assert container["State"]["Health"]["Status"] == "healthy", name
        assert container["HostConfig"]["ReadonlyRootfs"], name
        assert container["HostConfig"]["CapDrop"] == ["ALL"], name
        published = [ports for ports in container["NetworkSettings"]["Ports"].values() if ports]
        assert bool(published) == (name == "front")
        if name != "nats":
            assert container["Config"]["User"] == "10001:10001", name


def test_it_reads_the_sample_for_who_has_the_first_token(compose: Compose) -> None:
    with client(compose) as known, client(compose, "guessed") as stranger:
        assert plate(known) == PLATE
        assert stranger.post("/v1/plate-reader/", files={"upload": SAMPLE.read_bytes()}).status_code == 403


def test_the_first_token_is_the_only_one(compose: Compose) -> None:
    token = compose.token
    compose("up", "--detach", "--wait", "--no-build")
    assert compose.token == token  # one, although `token` has run again
    assert compose("exec", "gateway", "platelane", "tokens", "list").count(" first ") == 1


def test_a_service_sees_its_own_password_only(compose: Compose) -> None:
    passwords = set()
    for service in OURS:
        assert compose("exec", service, "cat", "/run/secrets/platelane_nats_user") == service
        assert compose("exec", service, "ls", "/run/secrets", "/keys").count("password") == 1
        passwords.add(compose("exec", service, "cat", "/run/secrets/platelane_nats_password"))
    assert len(passwords) == len(OURS)


def test_stages_reach_the_servers_and_nothing_else(compose: Compose) -> None:
    probe = "import socket; print(bool(socket.create_connection(('nats', 4222), 2)))"
    assert compose("exec", "detector", "python", "-c", probe).strip() == "True"
    routes = "print(sum(line.split()[1] == '00000000' for line in open('/proc/net/route')))"
    assert compose("exec", "detector", "python", "-c", routes).strip() == "0"
    assert compose("exec", "gateway", "python", "-c", routes).strip() == "1"


def test_a_killed_replica_costs_no_request_and_comes_back(compose: Compose) -> None:
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build", "--scale", "ocr=2")
    assert len(compose.containers("ocr")) == 2
    over = threading.Event()

    def calls(shared: httpx.Client) -> list[str]:
        texts = []
        while not over.is_set():
            texts.append(plate(shared))
        return texts

    with client(compose) as shared, ThreadPoolExecutor(4) as callers:
        answers = [callers.submit(calls, shared) for _ in range(4)]
        time.sleep(1)
        compose("exec", "--index", "1", "ocr", "bash", "-c", "kill -KILL $(cat /proc/1/task/1/children)")
        time.sleep(3)
        over.set()
        texts = [text for answer in answers for text in answer.result()]
    assert len(texts) > 4
    assert texts == [PLATE] * len(texts)
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build", "--scale", "ocr=2")
    assert sorted(container["RestartCount"] for container in compose.containers("ocr")) == [0, 1]


@pytest.mark.timeout(1_800)  # six services one after another, each started beside the old one
def test_it_is_upgraded_service_by_service_without_a_failed_request(compose: Compose) -> None:
    docker_build = ("docker", "build", "--quiet", "--tag", "platelane:test-next", "-")
    subprocess.run(docker_build, input="FROM platelane:test\nLABEL release=next\n", text=True, check=True)
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build")
    before = {one["Id"] for name in (*OURS, "nats", "triton") for one in compose.containers(name)}
    stop = threading.Event()
    readers = (plates_on_kept_connection, plates_on_new_connections, plates_over_grpc)
    with ThreadPoolExecutor(len(readers)) as pool:
        readings = [pool.submit(reader, compose, stop) for reader in readers]
        try:
            compose.run("deploy/upgrade.sh", PLATELANE_IMAGE="platelane:test-next")
            compose("up", "--detach", "--wait", "--no-deps", "--no-build", "--force-recreate", "nats")
        finally:
            stop.set()
    for reading in readings:
        assert set(reading.result()) == {PLATE}
    for name in OURS:
        [container] = compose.containers(name)
        assert container["Config"]["Labels"]["release"] == "next", name
    assert not before & {one["Id"] for one in compose.containers()}


def test_a_restarted_nats_has_everything_still(compose: Compose) -> None:
    compose("restart", "nats")
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build")
    with client(compose) as known:
        assert plate(known) == PLATE
    page = json.loads(compose("exec", "nats", "wget", "-qO-", "http://127.0.0.1:8222/jsz?streams=true"))
    streams = {stream["name"]: stream["state"] for stream in page["account_details"][0]["stream_detail"]}
    assert {name: streams[name]["messages"] for name in ("JOBS", "CROPS")} == {"JOBS": 0, "CROPS": 0}


def test_stopping_is_clean(compose: Compose) -> None:
    compose("stop")
    ends = {one["Name"]: one["State"]["ExitCode"] for one in compose.containers()}
    assert set(ends.values()) == {0}, ends
