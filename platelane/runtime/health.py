"""A health page for probes: `/healthz` says that the process answers, `/readyz` whether it is ready for requests.

A process is ready once it has started, while it listens (the gateway) or its model is served (a stage), and until it is
told to stop. The connection to NATS is shown, but readiness does not depend on it: all processes share NATS, so while
it is away, no other process could do better. A gateway then waits for NATS and answers 503 at the deadline, which tells
a caller more than a refused connection.

`/liveliness/` and `/readiness/` are the same pages under the names that the Plate Recognizer SDK uses. Checks run on
request. `/metrics` is for Prometheus.

It is served with plain asyncio, because detector, ocr and attributes have no other HTTP: uvicorn with Starlette would
cost each process 4 MB without any benefit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson

from platelane.runtime import metrics

Check = Callable[[], Awaitable[bool]]

CHECK_PATIENCE: Final = 2.0
"""Seconds a check may take before it counts as failed."""

_ALIVE: Final = frozenset({"/healthz", "/liveliness"})
_READY: Final = frozenset({"/readyz", "/readiness"})
_REQUEST_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """Whether requests should be sent to the process, and each check with its result."""

    ready: bool
    checks: dict[str, bool]


class HealthPage:
    """The checks of a process: those that decide whether it is ready, and those that are only shown."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._required: set[str] = set()

    def require(self, name: str, check: Check) -> None:
        """From now on, the process is ready only while `check` passes."""
        self._checks[name] = check
        self._required.add(name)

    def show(self, name: str, check: Check) -> None:
        """Show the result of `check`, without affecting readiness."""
        self._checks[name] = check

    async def report(self) -> Report:
        """The result of every check, now."""
        results = await asyncio.gather(*(_passes(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, results, strict=True))
        return Report(all(checks[name] for name in self._required), checks)

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listen for probes; the caller closes the server.

        Raises:
            OSError: the address is taken.
        """
        return await asyncio.start_server(self._serve_connection, host, port, limit=8_192)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_REQUEST_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                status, kind, body = await self._answer(head)
                content = b"" if head.startswith(b"HEAD ") else body
                writer.write(
                    f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                    + content
                )
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, head: bytes) -> tuple[int, str, bytes]:
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(words) == 3 and words[0] in ("GET", "HEAD") and words[1].partition("?")[0] == "/metrics":
            metrics.checked((await self.report()).checks)
            return 200, metrics.CONTENT_TYPE, await metrics.exposition()
        status, body = await self._json(words)
        return status, "application/json", body

    async def _json(self, words: list[str]) -> tuple[int, bytes]:
        if len(words) != 3:
            return 400, orjson.dumps({"detail": "Not an HTTP request."})
        method, target, _ = words
        path = target.partition("?")[0].rstrip("/")
        if path not in _ALIVE | _READY:
            return 404, orjson.dumps({"detail": "Not found."})
        if method not in ("GET", "HEAD"):
            return 405, orjson.dumps({"detail": f'Method "{method}" not allowed.'})
        if path in _ALIVE:
            return 200, orjson.dumps({"alive": True})
        report = await self.report()
        return (200 if report.ready else 503), orjson.dumps({"ready": report.ready, "checks": report.checks})


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_PATIENCE):
            return await check()
    except Exception:
        return False
