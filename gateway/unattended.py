"""Jobs whose callers need not wait, by client: one client leaves room in the queue for those of others."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from platelane.errors import Overloaded

_SHARE: Final = 3 / 8
"""Of the queue, for one client at one gateway: three quarters of what bulk may fill."""


class Unattended:
    """The jobs of this process whose ends are stored and can be asked for: asynchronous ones and those with a key."""

    def __init__(self, queue_limit: int) -> None:
        """`queue_limit`: jobs that may wait in the queue."""
        self._most = max(1, round(queue_limit * _SHARE))
        self._clients: dict[str, str] = {}
        """By job."""
        self._jobs: Counter[str] = Counter()
        """Numbers by client."""

    def add(self, job_id: str, client: str, seconds: float) -> None:
        """A job begins; it ends after so many seconds at the latest.

        Raises:
            Overloaded: the client has its share of them.
        """
        if self._jobs[client] >= self._most:
            raise Overloaded("The server is busy: as many images of this client are waiting as it may have.")
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
