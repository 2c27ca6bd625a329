"""Jobs whose callers need not wait. Each client may have only so many, to leave room in the queue for others."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from platelane.errors import Overloaded

_SHARE: Final = 3 / 8
"""Share of the queue for one client at one gateway: three quarters of what bulk may fill."""


class Unattended:
    """The jobs of this process whose outcomes can be fetched later: asynchronous ones and those with a key."""

    def __init__(self, queue_limit: int) -> None:
        """`queue_limit`: jobs that may wait in the queue."""
        self._most = max(1, round(queue_limit * _SHARE))
        self._clients: dict[str, str] = {}
        """Clients by job."""
        self._jobs: Counter[str] = Counter()
        """Numbers of jobs by client."""

    def add(self, job_id: str, client: str, seconds: float) -> None:
        """Count a job that ends after `seconds` at the latest.

        Raises:
            Overloaded: the client already has its share.
        """
        if self._jobs[client] >= self._most:
            raise Overloaded("The server is busy: this client already has as many images waiting as it may have.")
        self._clients[job_id] = client
        self._jobs[client] += 1
        asyncio.get_running_loop().call_later(seconds, self.ended, job_id)

    def ended(self, job_id: str) -> None:
        """A job has ended, or was never sent; jobs of other processes are ignored."""
        client = self._clients.pop(job_id, None)
        if client is not None:
            self._jobs[client] -= 1
            if not self._jobs[client]:
                del self._jobs[client]
