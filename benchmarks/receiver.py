"""A webhook receiver for measurements, in a separate process: records what arrives, then answers 200.

python -m benchmarks.receiver PORT FILE [N]     one JSON object a line in FILE; one event in N first gets 500
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FAILURE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request: its idempotency key, event and camera, and when the event was created and arrived, in unix seconds."""

    key: str
    event: str
    camera: str
    made: float
    at: float


class ReceiverProcess:
    """A receiver that can be killed and restarted; the record of what it has answered is kept."""

    def __init__(self, port: int, file: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self._command = [sys.executable, "-m", "benchmarks.receiver", str(port), str(file)]
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, failing: int = 0) -> None:
        """Start it. With `failing`, the first attempt of one event in that many gets 500 and is not recorded."""
        self._process = subprocess.Popen([*self._command, str(failing)])

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def arrivals(self) -> list[Arrival]:
        """All arrivals so far, in order; a line that was cut off by a kill was not answered."""
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(Arrival(**json.loads(line)))
        return found


def free_port() -> int:
    """An unused port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """A receiver that accepts requests but never answers."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while await reader.read(1 << 16):
                pass
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def _serve(port: int, file: TextIO, failing: int) -> None:
    seen: set[str] = set()

    def fails(key: str) -> bool:
        first = key not in seen
        seen.add(key)
        return bool(failing) and first and len(seen) % failing == 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
                body = await reader.readexactly(int(headers["content-length"]))
                key = headers["idempotency-key"]
                failed = fails(key)
                if not failed:
                    file.write(json.dumps(_arrival(key, json.loads(body)["data"])) + "\n")
                    file.flush()
                writer.write(_FAILURE if failed else _ANSWER)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


def _arrival(key: str, data: dict[str, Any]) -> dict[str, object]:
    made, at = datetime.fromisoformat(data["timestamp"]).timestamp(), time.time()
    return {"key": key, "event": key.rpartition(".")[0], "camera": data["camera_id"] or "", "made": made, "at": at}


if __name__ == "__main__":
    with open(sys.argv[2], "a", encoding="utf-8") as output:
        asyncio.run(_serve(int(sys.argv[1]), output, int(sys.argv[3]) if len(sys.argv) > 3 else 0))
