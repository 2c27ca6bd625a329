"""How much this process may hold: the bytes of all pictures until NATS has them, and each client's share."""

from __future__ import annotations

from collections import Counter
from typing import Final

from platelane.errors import Overloaded

_LEAST: Final = 64 << 10
"""Bytes that a body counts for at least, so that connections which send nothing are limited, too."""
_SHARE: Final = 2 / 3
"""Of the budget, for one client."""


class Arrivals:
    """The budget of a process."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._total = 0
        self._of_client: Counter[str] = Counter()

    def arriving(self, client: str) -> Arrival:
        """A body of a client that begins to arrive.

        Raises:
            Overloaded: too much is held already.
        """
        arrival = Arrival(self, client)
        arrival.add(_LEAST)
        return arrival

    def take(self, client: str, size: int) -> None:
        """Count more bytes. Raises Overloaded where there is no room for them, which are not counted then."""
        if self._total + size > self._budget:
            raise Overloaded("The server is receiving as much as it can at the moment.")
        if self._of_client[client] + size > self._budget * _SHARE:
            raise Overloaded("The server is receiving as much from this client as it can at the moment.")
        self.give_back(client, -size)

    def give_back(self, client: str, size: int) -> None:
        """Bytes of a client that are held no more."""
        self._total -= size
        self._of_client[client] -= size
        if not self._of_client[client]:
            del self._of_client[client]


class Arrival:
    """One body, and then its picture; whoever holds that holds this, and its end is the end of what it counts for."""

    def __init__(self, arrivals: Arrivals, client: str) -> None:
        self._arrivals = arrivals
        self._size = 0
        self.client = client

    def add(self, size: int) -> None:
        """Count bytes that have arrived. Raises Overloaded, as `Arrivals.take`."""
        self._arrivals.take(self.client, size)
        self._size += size

    def is_only(self, size: int) -> None:
        """What is left of it are `size` bytes, if that is less."""
        size = max(size, _LEAST)
        if size < self._size:
            self._arrivals.give_back(self.client, self._size - size)
            self._size = size

    def end(self) -> None:
        """Nothing of it is held any more."""
        self._arrivals.give_back(self.client, self._size)
        self._size = 0

    def __del__(self) -> None:
        self.end()
