"""`platelane up` as a whole: starting, serving, stopping, and nothing left behind."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import nats
import psutil
import pytest

from tests.e2e.conftest import Stack, running_stack
from tests.processes import gone

SERVICES = {"gateway", "detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads"}


def platelane_read(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "platelane.cli", "read", *arguments],
        env={**os.environ, "PLATELANE_STATE_DIR": str(stack.state_dir)},  # where the address is found
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, photo: Path) -> Path:
    """Three photos and a file that is none."""
    for name in ("a.jpg", "b.jpg", "deeper/c.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, tmp_path / "photos" / name)
    return tmp_path / "photos"


class TestServing:
    def test_everything_runs_and_says_where_it_is(self, stack: Stack) -> None:
        running = stack.state
        assert set(running.processes) == SERVICES | {"nats-server", "triton"}
        assert httpx.get(f"{running.url}/", trust_env=False).status_code == 200
        for name, process in running.processes.items():
            assert re.search(rf"✓ {name} .* pid {process.pid}\b", stack.said)
            assert process.log.is_file()
        assert "Platelane is ready after" in stack.said
        assert running.url in stack.said

    def test_only_the_loopback_is_listened_on(self, stack: Stack) -> None:
        addresses = {
            connection.laddr.ip.removeprefix("::ffff:")
            for process in stack.processes()
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert addresses == {"127.0.0.1"}

    def test_a_photo_is_read(self, stack: Stack, photo: Path) -> None:
        result = platelane_read(stack, str(photo), "--mmc", "--camera-id", "gate", "--regions", "gb,fr")
        assert (result.returncode, result.stderr) == (0, f"Server: {stack.base_url}\n")
        answer = json.loads(result.stdout)
        assert answer["file"] == str(photo)
        assert answer["camera_id"] == "gate"
        assert answer["results"][0]["plate"]
        assert answer["results"][0]["model_make"]

    def test_a_folder_is_read_to_json_lines(self, stack: Stack, folder: Path) -> None:
        result = platelane_read(stack, str(folder))
        assert result.returncode == 0
        answers: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
        assert [Path(answer["file"]).name for answer in answers] == ["a.jpg", "b.jpg", "c.jpg"]
        assert len({answer["results"][0]["plate"] for answer in answers}) == 1
        assert "3/3" in result.stderr  # the progress bar

    def test_a_folder_is_read_to_csv(self, stack: Stack, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "plates.csv"
        result = platelane_read(stack, str(folder), "--format", "csv", "--out", str(out), "--jobs", "2")
        assert (result.returncode, result.stdout) == (0, "")
        lines = list(csv.DictReader(io.StringIO(out.read_text())))
        assert {Path(line["file"]).name for line in lines} == {"a.jpg", "b.jpg", "c.jpg"}
        assert all(line["plate"] and line["processing_time"] and not line["error"] for line in lines)

    def test_a_file_that_is_no_photo_is_reported_and_stops_nothing(self, stack: Stack, folder: Path) -> None:
        (folder / "b.jpg").write_text("not a photo")
        result = platelane_read(stack, str(folder))
        assert result.returncode == 1
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        assert [bool(answer.get("error")) for answer in answers] == [False, True, False]
        assert answers[1]["status_code"] == 400
        assert "b.jpg: 400: " in result.stderr
        assert "1 of 3 photos were not read." in result.stderr

    def test_a_service_that_is_killed_comes_back(self, stack: Stack, photo: Path) -> None:
        pid = stack.kill("ocr")
        assert stack.wait_until_ready("ocr", other_than=pid) != pid
        assert "ocr was ended by SIGKILL" in stack.said
        assert platelane_read(stack, str(photo)).returncode == 0

    def test_all_services_come_back_when_their_fork_server_is_killed(self, stack: Stack, photo: Path) -> None:
        server = stack.state.fork_server
        assert server is not None
        forked = {name: stack.pid(name) for name in stack.names if psutil.Process(stack.pid(name)).ppid() == server}
        assert {"gateway", "detector", "ocr", "reads"} <= forked.keys()
        os.kill(server, signal.SIGKILL)
        for name, pid in forked.items():
            assert stack.wait_until_ready(name, other_than=pid) != pid
        assert stack.state.fork_server not in (None, server)
        assert platelane_read(stack, str(photo)).returncode == 0


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        processes = stack.processes()
        assert len(processes) >= 8
        maps = Path(f"/proc/{stack.pid('triton')}/maps").read_text().splitlines()
        assert all(line.endswith("(deleted)") for line in maps if "/dev/shm/" in line), "memory that Triton would leave"
        stack.supervisor.kill()
        assert gone(processes, seconds=5)
    with running_stack(tmp_path) as stack:  # the next one starts with what is there, and stops in order
        processes = stack.processes()
        assert stack.stop(signal.SIGINT) == 0
        assert gone(processes, seconds=5)
        assert "Everything is stopped after" in stack.said
        assert not (stack.state_dir / "up.json").exists()


def test_other_ports_are_used_when_the_usual_ones_are_taken_and_stages_scale(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with socket.create_server(("127.0.0.1", 0)) as http, socket.create_server(("127.0.0.1", 0)) as nats:
        taken = [http.getsockname()[1], nats.getsockname()[1]]
        settings = {"PORT": str(taken[0]), "NATS_URL": f"nats://127.0.0.1:{taken[1]}"}
        with running_stack(tmp_path, "--scale", "ocr=2", "--photo", str(empty), settings=settings) as stack:
            assert f"{empty} was not read: the file is empty" in stack.said
            for port in taken:
                assert f"Port {port} is not free; " in stack.said
                assert str(port) not in stack.base_url + stack.nats_url
            assert {"ocr-1", "ocr-2"} < set(stack.names)
            processes = stack.processes()
            assert stack.stop(signal.SIGTERM) == 0
            assert gone(processes, seconds=5)


def test_a_second_up_with_the_same_directory_is_refused(stack: Stack) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "platelane.cli", "up", "--state-dir", str(stack.state_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert f"already runs with {stack.state_dir} at {stack.base_url}" in result.stderr


def test_a_server_without_tokens_starts_and_says_how_they_are_made(tmp_path: Path, photo: Path) -> None:
    with running_stack(tmp_path, settings={"PROFILE": "cloud"}) as stack:
        assert "The sample was not read: 403" in stack.said
        directory = shlex.quote(str(stack.state_dir))
        assert f"Tokens are made by: PLATELANE_STATE_DIR={directory} " in stack.said
        environment = {**os.environ, "PLATELANE_STATE_DIR": str(stack.state_dir)}
        command = [sys.executable, "-m", "platelane.cli", "tokens", "create", "gate"]
        made = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        read = platelane_read(stack, str(photo), "--token", made.stdout.split()[-1])
        assert read.returncode == 0, read.stderr


def test_a_program_that_cannot_start_is_explained_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "nats").write_text("a file where a folder should be")
    with running_stack(tmp_path, ready=False) as stack:
        assert stack.supervisor.wait(60) == 1
        assert "Error: nats-server ended with exit code 1" in stack.said
        assert "  | " in stack.said  # its last log lines


def test_ports_for_health_checks_tell_other_users_nothing(stack: Stack) -> None:
    nats, triton = (httpx.URL(stack.state.processes[name].ready_url) for name in ("nats-server", "triton"))
    with httpx.Client(trust_env=False) as client:
        for path in ("/", "/varz", "/connz", "/jsz", "/healthz"):
            assert client.get(nats.copy_with(path=path)).status_code == 404
        for path in ("/v2", "/v2/models/reader", "/v2/models/stats", "/v2/systemsharedmemory/status"):
            assert client.get(triton.copy_with(path=path)).status_code == 403
        assert client.post(triton.copy_with(path="/v2/repository/index")).status_code == 403
        assert {client.get(address).status_code for address in (nats, triton)} == {200}


def test_triton_is_for_its_user(stack: Stack) -> None:
    """Its socket lies where nobody else can look, and what is seen of its command opens nothing."""
    socket_file = Path(stack.triton_url.removeprefix("unix:"))
    assert stat.S_ISSOCK(socket_file.stat().st_mode)
    assert stat.S_IMODE(socket_file.parent.stat().st_mode) == 0o700
    command = Path(f"/proc/{stack.pid('triton')}/cmdline").read_text().split("\0")
    (told,) = (option for option in command if option.startswith("--http-restricted-api="))
    for value in (told.rpartition("=")[2], "no\r\n body", "no\n body", "no body", "nobody"):  # also as folded lines
        assert b" 200 " not in raw_answer(stack, f"GET /v2/models/stats HTTP/1.1\r\nplatelane: {value}\r\n")


def raw_answer(stack: Stack, head: str) -> bytes:
    """What Triton's HTTP port says to a request."""
    url = httpx.URL(stack.state.processes["triton"].ready_url)
    assert url.port
    with socket.create_connection((url.host, url.port), 10) as connection:
        connection.sendall(f"{head}Host: {url.host}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65_536), b""))


async def test_nats_is_for_who_can_read_the_state_file(stack: Stack) -> None:
    """Other users of the machine reach the port, but neither file."""
    port = int(stack.nats_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 5) as stranger:
        stranger.sendall(b"CONNECT {}\r\nPING\r\n")
        said = b"".join(iter(lambda: stranger.recv(65_536), b""))
    assert b"Authorization Violation" in said
    client = await nats.connect(stack.nats_url)
    await client.close()
    for name in ("up.json", "nats-server.conf"):
        assert (stack.state_dir / name).stat().st_mode & 0o077 == 0, name
