"""Real processes: start, health, stop, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from platelane.runtime.settings import Settings
from tests.support import NatsServer, apply_topology, free_port

ROOT = Path(__file__).resolve().parents[2]

MAIN = """
import asyncio, os
from platelane.runtime import service
from platelane.bus import connection

connection.CONNECT_PATIENCE = float(os.environ.get("NATS_PATIENCE", 30))

async def main(settings, bus, stop):
    async def triton():
        return not os.path.exists(os.environ["TRITON_IS_AWAY"])
    service.health.require("triton", triton)
    if "CRASH" in os.environ:
        raise ZeroDivisionError
    print("working", flush=True)
    if "NONSENSE" in os.environ:
        bus.client._transport.write(b"nonsense\\r\\n")
    await stop.wait()
    await asyncio.sleep(float(os.environ.get("STOPPING_TAKES", 0)))
    print("finished", flush=True)

service.run(os.environ.get("NAME", "example"), main)
"""


class Service:
    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=5)

    def until_alive(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(httpx.ConnectError):
                assert self.get("/healthz").status_code == 200
                return
            time.sleep(0.05)
        raise AssertionError("no health page")

    def until_working(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "working\n"

    def until(self, check: str, passes: bool) -> None:
        """Waits until the health page says so of one of its checks."""
        end = time.monotonic() + 20
        while self.get("/readyz").json()["checks"][check] != passes:
            assert time.monotonic() < end
            time.sleep(0.05)

    def ended(self, timeout: float = 15) -> tuple[int, str, list[dict[str, str]]]:
        """Exit code, output, log."""
        out, log = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, [json.loads(line) for line in log.splitlines()]


Start = Callable[..., Service]


@pytest.fixture
def start(server: NatsServer, tmp_path: Path) -> Iterator[Start]:
    processes: list[subprocess.Popen[str]] = []

    def run(**environment: str) -> Service:
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN],
            cwd=ROOT,
            env={
                **os.environ,
                "PLATELANE_NATS_URL": server.url,
                "PLATELANE_HEALTH_PORT": str(port),
                "TRITON_IS_AWAY": str(tmp_path / "away"),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return Service(process, f"http://127.0.0.1:{port}")

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(start: Start, number: signal.Signals) -> None:
    example = start()
    example.until_working()

    example.process.send_signal(number)
    code, out, log = example.ended()

    assert (code, out) == (0, "finished\n")
    assert [line["event"] for line in log] == ["started", "stopped"]
    assert {line["service"] for line in log} == {"example"}


def test_the_same_signal_twice_ends_it_at_once(start: Start) -> None:
    example = start(STOPPING_TAKES="60")
    example.until_working()
    example.process.send_signal(signal.SIGTERM)
    example.until("running", False)
    assert example.process.poll() is None

    example.process.send_signal(signal.SIGTERM)

    assert example.ended()[0] == 128 + signal.SIGTERM


def test_terminal_and_supervisor_together_do_not_cut_the_stop_short(start: Start) -> None:
    example = start(STOPPING_TAKES="0.3")
    example.until_working()

    example.process.send_signal(signal.SIGINT)
    example.process.send_signal(signal.SIGTERM)

    assert example.ended()[:2] == (0, "finished\n")


def test_no_nats(start: Start) -> None:
    example = start(PLATELANE_NATS_URL="nats://me:secret@127.0.0.1:1", NATS_PATIENCE="2")
    code, _, log = example.ended()

    assert code == 1
    (line,) = log
    assert line["event"] == "cannot_run"
    assert "nats://127.0.0.1:1" in line["reason"]
    assert "secret" not in json.dumps(log)


def test_a_service_that_waits_for_nats_says_so(start: Start) -> None:
    example = start(PLATELANE_NATS_URL="nats://me:secret@127.0.0.1:1", NATS_PATIENCE="2.5")
    _, _, log = example.ended()

    assert [line["event"] for line in log] == ["nats_not_reached_yet", "cannot_run"]
    assert log[0]["problem"] == "NATS cannot be reached at nats://127.0.0.1:1: Connection refused."


def test_a_service_whose_password_is_refused_says_so_and_waits(start: Start, tmp_path: Path) -> None:
    """The password may be set up a moment later."""
    server = NatsServer(tmp_path / "guarded")
    server.configuration += "authorization: {user: a, password: b}\n"
    server.start()
    try:
        example = start(PLATELANE_NATS_URL=server.url, PLATELANE_NATS_USER="a", NATS_PATIENCE="3")
        code, _, log = example.ended()
    finally:
        server.kill()
    assert (code, [line["event"] for line in log]) == (1, ["nats_not_reached_yet", "cannot_run"])
    assert log[0]["problem"] == log[1]["reason"]
    assert f"{server.url} refuses the user name or password" in log[0]["problem"]


def test_settings_that_cannot_be_used_are_named_in_a_line_each() -> None:
    command = [sys.executable, "-m", "gateway"]
    wrong = {"port": "99999", "profile": "clud", "fetch_networks": "10.0.0.0/99", "nats_sync_interval": "5h"}
    wrong |= {"outcome_hours": "inf", "nats_user": "a b"}
    environment = {**os.environ, **{f"PLATELANE_{name.upper()}": value for name, value in wrong.items()}}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "PLATELANE_NATS_USER: a user's name has only letters, digits, - and _.",
        "PLATELANE_NATS_SYNC_INTERVAL: it is `always`, or a time such as 120s or 500ms.",
        "PLATELANE_PORT must be at most 65535.",
        "PLATELANE_PROFILE must be 'sdk' or 'cloud'.",
        "PLATELANE_FETCH_NETWORKS must be a network such as 10.1.0.0/16.",
        "PLATELANE_OUTCOME_HOURS must be a finite number.",
    ]


def test_connection_that_the_server_ends_for_good(start: Start) -> None:
    example = start(NONSENSE="yes")
    code, out, log = example.ended()

    assert (code, out) == (1, "working\n")
    assert log[-1]["event"] == "cannot_run"
    assert "NATS has ended the connection" in log[-1]["reason"]


def test_stop_while_waiting_for_nats(start: Start) -> None:
    example = start(PLATELANE_NATS_URL="nats://127.0.0.1:1")
    example.until_alive()
    assert example.get("/readyz").status_code == 503
    example.process.terminate()

    assert example.ended()[0] == 0


def test_a_stop_while_nats_is_away_is_in_good_order(start: Start, server: NatsServer) -> None:
    example = start()
    example.until_working()
    server.kill()
    example.until("nats", False)
    example.process.terminate()

    code, out, log = example.ended()
    assert (code, out) == (0, "finished\n")
    assert log[-1]["event"] == "stopped"


def test_a_crash_is_logged_and_ends_the_process(start: Start) -> None:
    code, _, log = start(CRASH="yes").ended()

    assert code == 1
    assert log[-1]["event"] == "crashed"
    assert "ZeroDivisionError" in log[-1]["exception"]


def test_health_page_tells_the_truth(start: Start, server: NatsServer, tmp_path: Path) -> None:
    example = start()
    example.until_working()

    assert example.get("/healthz").json() == {"alive": True}
    assert example.get("/liveliness/").status_code == 200
    ready = example.get("/readyz")
    assert (ready.status_code, ready.headers["content-type"]) == (200, "application/json")
    assert ready.json() == {"ready": True, "checks": {"running": True, "nats": True, "topology": True, "triton": True}}

    (tmp_path / "away").touch()
    assert example.get("/readiness/").status_code == 503
    assert example.get("/readyz").json()["checks"] == {"running": True, "nats": True, "topology": True, "triton": False}
    (tmp_path / "away").unlink()

    server.kill()
    example.until("nats", False)
    away = example.get("/readyz")
    assert away.json() == {"ready": True, "checks": {"running": True, "nats": False, "topology": True, "triton": True}}
    assert away.status_code == 200, "there is no other process that requests could go to"
    assert 'platelane_check{check="nats"} 0.0' in example.get("/metrics").text
    server.start()
    example.until("nats", True)
    assert 'platelane_check{check="nats"} 1.0' in example.get("/metrics").text


def test_a_service_waits_for_its_queue_and_says_what_makes_it(start: Start, server: NatsServer, tmp_path: Path) -> None:
    detector = start(NAME="detector")
    detector.until_alive()
    detector.until("nats", True)
    assert detector.get("/readyz").json()["checks"]["topology"] is False

    asyncio.run(apply_topology(Settings(nats_url=server.url)))
    detector.until_working()
    detector.until("topology", True)

    server.kill()
    server.start("-sd", str(tmp_path / "empty"))
    detector.until("topology", False)
    asyncio.run(apply_topology(Settings(nats_url=server.url)))
    detector.until("topology", True)

    detector.process.terminate()
    _, _, log = detector.ended()
    assert [line["event"] for line in log if not line["event"].startswith("nats_")] == [
        "topology_not_ready",
        "topology_ready",
        "started",
        "topology_not_ready",
        "topology_ready",
        "stopped",
    ]
    assert "consumer detector of JOBS is missing" in log[0]["problems"]
    assert log[0]["remedy"] == "platelane topology apply"


def test_a_service_that_waits_for_its_queue_can_be_stopped(start: Start) -> None:
    detector = start(NAME="detector")
    detector.until_alive()
    detector.until("nats", True)
    detector.process.terminate()

    assert detector.ended()[0] == 0


def test_health_page_while_stopping(start: Start) -> None:
    example = start(STOPPING_TAKES="60")
    example.until_working()
    example.process.terminate()

    example.until("running", False)


def test_port_of_the_health_page_is_taken(start: Start, server: NatsServer) -> None:
    code, _, log = start(PLATELANE_HEALTH_PORT=str(server.port)).ended()

    assert code == 1
    assert f"127.0.0.1:{server.port}" in log[0]["reason"]
