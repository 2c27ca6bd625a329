"""Runs nats-server alone, one or a cluster, for measurements of the bus."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from platelane.local.ports import LOOPBACK, Ports
from platelane.runtime.settings import SYNC_INTERVAL

START_SECONDS: Final = 30.0
PROGRAM: Final = Path(sys.executable).with_name("nats-server")

CONFIG: Final = """\
server_name: n{number}
listen: "{host}:{port}"
http: "{host}:{monitor}"
max_payload: 33000000
max_pending: 256MB
jetstream {{ store_dir: "{store}", sync_interval: {sync_interval} }}
"""
CLUSTER: Final = """\
cluster {{ name: c, listen: "{host}:{port}", routes: [{routes}] }}
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers: their addresses for clients, comma-separated, and their process ids."""

    url: str
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """Processor seconds used so far by all of them."""
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.pids)

    def written(self) -> int:
        """Bytes written to files so far by all of them."""
        return sum(psutil.Process(pid).io_counters().write_bytes for pid in self.pids)


@contextmanager
def running(count: int, sync_interval: str = SYNC_INTERVAL) -> Iterator[Servers]:
    """Run `count` servers with JetStream on empty folders; more than one form a cluster. Yields when they are ready."""
    free = Ports()
    clients, monitors, routes = ([free.take() for _ in range(count)] for _ in range(3))
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="platelane-benchmark-")))
        processes = []
        for number in range(count):
            text = CONFIG.format(
                number=number,
                host=LOOPBACK,
                port=clients[number],
                monitor=monitors[number],
                store=folder / str(number),
                sync_interval=sync_interval,
            )
            if count > 1:
                others = ", ".join(f'"nats-route://{LOOPBACK}:{port}"' for port in routes)
                text += CLUSTER.format(host=LOOPBACK, port=routes[number], routes=others)
            config = folder / f"{number}.conf"
            config.write_text(text)
            process = subprocess.Popen([PROGRAM, "--config", config], stderr=subprocess.DEVNULL)
            cleanup.callback(_stop, process)
            processes.append(process)
        for port in monitors:
            _wait(port)
        yield Servers(",".join(f"nats://{LOOPBACK}:{port}" for port in clients), tuple(p.pid for p in processes))


def monitored(address: str) -> dict[str, Any]:
    """The content of a page of a server's monitoring.

    Raises:
        OSError: it does not answer with 200.
    """
    with urllib.request.urlopen(address, timeout=5) as answer:
        page: dict[str, Any] = json.load(answer)
    return page


def _wait(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            monitored(f"http://{LOOPBACK}:{port}/healthz")
            return
        except (OSError, urllib.error.URLError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
