"""A budget for the bytes of uploads that this process holds until NATS has them, in all and per client."""

from __future__ import annotations

from collections import Counter
from typing import Final

from platelane.errors import Overloaded

_LEAST: Final = 64 << 10
"""Bytes that every body counts for at least, so that connections that send nothing are limited too."""
_SHARE: Final = 2 / 3
"""Of the budget, that one client may use."""


class Arrivals:
    """The budget of a process."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._total = 0
        self._of_client: Counter[str] = Counter()

    def arriving(self, client: str) -> Arrival:
        """Account for a body that begins to arrive from a client.

        Raises:
            Overloaded: too many bytes are held already.
        """
        arrival = Arrival(self, client)
        arrival.add(_LEAST)
        return arrival

    def take(self, client: str, size: int) -> None:
        """Count more bytes. Raises Overloaded, without counting them, if there is no room for them."""
        if self._total + size > self._budget:
            raise Overloaded("The server is receiving as much as it can at the moment.")
        if self._of_client[client] + size > self._budget * _SHARE:
            raise Overloaded("The server is receiving as much from this client as it can at the moment.")
        self.give_back(client, -size)

    def give_back(self, client: str, size: int) -> None:
        """Stop counting bytes of a client that are no longer held."""
        self._total -= size
        self._of_client[client] -= size
        if not self._of_client[client]:
            del self._of_client[client]


class Arrival:
    """The bytes of one body, and then of its picture. Keep it as long as the picture; dropping it frees its bytes."""

    def __init__(self, arrivals: Arrivals, client: str) -> None:
        self._arrivals = arrivals
        self._size = 0
        self.client = client

    def add(self, size: int) -> None:
        """Count bytes that have arrived. Raises Overloaded, as `Arrivals.take`."""
        self._arrivals.take(self.client, size)
        self._size += size

    def shrink_to(self, size: int) -> None:
        """Only `size` bytes are still held, if that is less than before."""
        size = max(size, _LEAST)
        if size < self._size:
            self._arrivals.give_back(self.client, self._size - size)
            self._size = size

    def end(self) -> None:
        """None of its bytes are held any longer."""
        self._arrivals.give_back(self.client, self._size)
        self._size = 0

    def __del__(self) -> None:
        self.end()
