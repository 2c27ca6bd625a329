"""Cancelled jobs. Cancelling a job ends work on it as if its deadline had passed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

REMEMBERED: Final = 4_096


class Cancellations:
    """The latest cancelled jobs, and the time limits of the jobs in progress."""

    def __init__(self) -> None:
        self._cancelled: dict[str, None] = {}
        self._limits: dict[str, set[asyncio.Timeout]] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._cancelled

    async def add(self, job_id: bytes) -> None:
        """Cancel a job: work on it in this process ends now, and later messages of it are not handled."""
        name = job_id.decode()
        self._cancelled[name] = None
        if len(self._cancelled) > REMEMBERED:
            del self._cancelled[next(iter(self._cancelled))]
        for limit in self._limits.get(name, ()):
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())

    @contextmanager
    def ending(self, job_id: str, limit: asyncio.Timeout) -> Iterator[None]:
        """While the block runs, a cancellation of the job ends it through `limit`, which has been entered."""
        self._limits.setdefault(job_id, set()).add(limit)
        try:
            yield
        finally:
            self._limits[job_id].discard(limit)
            if not self._limits[job_id]:
                del self._limits[job_id]
