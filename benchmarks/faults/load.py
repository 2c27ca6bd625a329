"""Photographs sent at a steady rate, regardless of the outcomes of earlier ones."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from benchmarks import arrivals
from benchmarks.attempts import BROKEN, REFUSALS, Attempt
from benchmarks.faults.judgement import MARGIN, Call
from benchmarks.load import PATH

RATE: Final = 3.0
"""Photographs per second."""
_PATIENCE: Final = 25.0
"""Seconds for which a request with an `Idempotency-Key` is repeated."""
_PAUSE: Final = 0.5


class Load:
    """Three kinds of requests in turn: one waits for its answer, one is repeated with its `Idempotency-Key` until it is
    answered, and one is accepted with 202."""

    def __init__(self, url: str, photo: bytes, name: str, deadline: float) -> None:
        """`name`: the beginning of camera names. `deadline`: seconds within which the server answers."""
        self._photo = photo
        self.name = f"{name} {secrets.token_hex(4)}"
        """The beginning of the names of its cameras."""
        self._client = httpx.AsyncClient(
            base_url=url, timeout=deadline + 2 * MARGIN, trust_env=False, limits=httpx.Limits(max_connections=None)
        )
        self._kinds = (self._plain, self._keyed, self._asynchronous)
        self._tasks: list[asyncio.Task[Call]] = []
        self.calls: list[Call] = []
        """Calls that have ended."""
        self.attempts: list[Attempt] = []
        """All attempts that have ended, including those of unfinished calls."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs; then wait until every call has ended."""
        arriving = asyncio.create_task(self._arrive())
        try:
            yield
        finally:
            arriving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await arriving
            self.calls += await asyncio.gather(*self._tasks)
            await self._client.aclose()

    async def _arrive(self) -> None:
        kinds: Iterator[Callable[[str], Awaitable[list[Attempt]]]] = itertools.cycle(self._kinds)
        async for _ in arrivals.due(arrivals.steady(RATE)):
            self._tasks.append(asyncio.create_task(self._call(next(kinds), f"{self.name} {len(self._tasks)}")))

    async def _call(self, kind: Callable[[str], Awaitable[list[Attempt]]], camera: str) -> Call:
        return Call(camera, await kind(camera))

    async def _plain(self, camera: str) -> list[Attempt]:
        return [await self._attempt(camera, {})]

    async def _asynchronous(self, camera: str) -> list[Attempt]:
        return [await self._attempt(camera, {"Prefer": "respond-async"})]

    async def _keyed(self, camera: str) -> list[Attempt]:
        end, attempts = time.monotonic() + _PATIENCE, []
        while True:
            attempts.append(await self._attempt(camera, {"Idempotency-Key": camera}))
            if attempts[-1].status not in (BROKEN, *REFUSALS) or time.monotonic() > end:
                return attempts
            await asyncio.sleep(_PAUSE)

    async def _attempt(self, camera: str, headers: dict[str, str]) -> Attempt:
        sent = time.monotonic()
        try:
            answer = await self._client.post(
                PATH, files={"upload": ("gate.jpg", self._photo)}, data={"camera_id": camera}, headers=headers
            )
        except httpx.TransportError:
            attempt = Attempt(sent, time.monotonic() - sent, BROKEN)
        else:
            is_right = answer.status_code != 200 or _is_about(answer.content, camera)
            says_when = "retry-after" in answer.headers
            attempt = Attempt(sent, time.monotonic() - sent, answer.status_code, says_when, is_right)
        self.attempts.append(attempt)
        return attempt


def _is_about(body: bytes, camera: str) -> bool:
    answer = json.loads(body)
    return answer["camera_id"] == camera and bool(answer["results"])
