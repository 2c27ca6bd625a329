"""The compose files, with real containers: built, started, scaled, asked under a crash, taken down.

Runs where a Docker engine answers and the base images are already there; nothing is pulled.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "gate.jpg"
PLATE = "gk482tv"
FILES = ("docker-compose.yml", "docker-compose.cpu.yml")
PYTHON_IMAGE = "python:3.11-slim"
NATS_IMAGE = os.environ.get("NATS_IMAGE", "nats:2.12-alpine")
SERVICES = {"nats", "triton", "gateway", "detector", "ocr", "attributes", "webhook_svc"}

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Compose:
    """One project of the compose files, under a name of its own."""

    project: str
    url: str
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> str:
        """Standard output of `docker compose ...`. Fails the test with the end of what went wrong."""
        files = [argument for file in FILES for argument in ("-f", file)]
        command = ["docker", "compose", "-p", self.project, *files, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"docker compose {' '.join(arguments)}: {done.stderr[-4000:]}")
        return done.stdout

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


def plate(url: str) -> str:
    """The sample's best plate, as the API reads it."""
    answer = httpx.post(
        f"{url}/v1/plate-reader/", files={"upload": ("gate.jpg", SAMPLE.read_bytes(), "image/jpeg")}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["results"][0]["plate"]
    return text


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    if shutil.which("docker") is None or not works("info"):
        pytest.skip("no Docker engine answers here")
    if not works("compose", "version"):
        pytest.skip("no docker compose client")
    for image in (PYTHON_IMAGE, NATS_IMAGE):
        if not works("image", "inspect", image):
            pytest.skip(f"the image {image} is not on this machine, and tests pull nothing")
    port = free_port()
    chosen = {
        "NATS_IMAGE": NATS_IMAGE,
        "PLATELANE_IMAGE": "platelane:test",
        "PLATELANE_TRITON_CPU_IMAGE": "platelane-triton-cpu:test",
        "PLATELANE_BIND": "127.0.0.1",
        "PLATELANE_PORT": str(port),
    }
    project = Compose(f"platelane-test-{secrets.token_hex(4)}", f"http://127.0.0.1:{port}", {**os.environ, **chosen})
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
    assert set(containers) == SERVICES
    for name, container in containers.items():
        assert container["State"]["Health"]["Status"] == "healthy", name
        assert container["HostConfig"]["ReadonlyRootfs"], name
        assert container["HostConfig"]["CapDrop"] == ["ALL"], name
        published = [ports for ports in container["NetworkSettings"]["Ports"].values() if ports]
        assert bool(published) == (name == "gateway")
        if name != "nats":
            assert container["Config"]["User"] == "10001:10001", name


def test_it_reads_the_sample(compose: Compose) -> None:
    assert plate(compose.url) == PLATE


def test_stages_reach_the_servers_and_nothing_else(compose: Compose) -> None:
    probe = "import socket; print(bool(socket.create_connection(('nats', 4222), 2)))"
    assert compose("exec", "detector", "python", "-c", probe).strip() == "True"
    routes = "print(sum(line.split()[1] == '00000000' for line in open('/proc/net/route')))"
    assert compose("exec", "detector", "python", "-c", routes).strip() == "0"
    assert compose("exec", "gateway", "python", "-c", routes).strip() == "1"


def test_a_killed_replica_costs_no_request_and_comes_back(compose: Compose) -> None:
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build", "--scale", "ocr=2")
    assert len(compose.containers("ocr")) == 2
    with ThreadPoolExecutor(4) as callers:
        answers = [callers.submit(plate, compose.url) for _ in range(40)]
        while sum(answer.done() for answer in answers) < 8:
            time.sleep(0.05)
        compose("exec", "--index", "1", "ocr", "bash", "-c", "kill -KILL $(cat /proc/1/task/1/children)")
        killed_with = sum(not answer.done() for answer in answers)
        assert [answer.result() for answer in answers] == [PLATE] * 40
    assert killed_with > 0, "all requests were over before the kill"
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build", "--scale", "ocr=2")
    assert sorted(container["RestartCount"] for container in compose.containers("ocr")) == [0, 1]


def test_a_restarted_nats_has_everything_still(compose: Compose) -> None:
    compose("restart", "nats")
    compose("up", "--detach", "--wait", "--no-recreate", "--no-build", "--scale", "ocr=2")
    assert plate(compose.url) == PLATE
    page = json.loads(compose("exec", "nats", "wget", "-qO-", "http://127.0.0.1:8222/jsz?streams=true"))
    streams = {stream["name"]: stream["state"] for stream in page["account_details"][0]["stream_detail"]}
    assert {name: streams[name]["messages"] for name in ("JOBS", "CROPS")} == {"JOBS": 0, "CROPS": 0}


def test_stopping_is_clean(compose: Compose) -> None:
    compose("stop")
    ends = {one["Name"]: one["State"]["ExitCode"] for one in compose.containers()}
    assert set(ends.values()) == {0}, ends
