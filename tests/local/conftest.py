from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from platelane.local.plan import Program
from platelane.local.ports import LOOPBACK, Ports
from platelane.local.process import Process

SERVER = """
import http.server, sys

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""

MakeProgram = Callable[..., Program]


@pytest.fixture
def make_program() -> MakeProgram:
    """Makes a program out of Python code, which by default serves its `ready_url`."""
    ports = Ports()

    def make(
        name: str = "server", code: str = SERVER, stop_seconds: float = 2.0, start_seconds: float = 10.0
    ) -> Program:
        port = ports.take()
        return Program(
            name=name,
            command=(sys.executable, "-I", "-c", code, str(port)),
            environment={},
            ready_url=f"http://{LOOPBACK}:{port}/",
            stop_seconds=stop_seconds,
            start_seconds=start_seconds,
        )

    return make


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[Program], Process]]:
    """Makes a process of a program; whatever was started is gone after the test."""
    processes: list[Process] = []

    def make(program: Program) -> Process:
        processes.append(Process(program, tmp_path / f"{program.name}.log"))
        return processes[-1]

    yield make
    for process in processes:
        await process.stop()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client
