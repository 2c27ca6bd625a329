"""Deliveries that workers gave back alive: those that are left over ended with the death of whoever had them."""

from __future__ import annotations

import contextlib
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from platelane.bus import subjects
from platelane.bus.client import Bus

REMEMBERED: Final = 4_096


class HandBacks:
    """The latest deliveries that were given back, by whichever worker.

    Each is told to all workers by a plain message. One that misses it takes the delivery for a death.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: dict[str, set[int]] = {}

    async def listen(self) -> None:
        """Hear of other workers' from now on."""
        await self._bus.subscribe(subjects.HANDED_BACK, self._heard)

    async def tell(self, message: Msg) -> None:
        """Whoever has this message lives, and is about to give it back."""
        told = f"{_name(message)} {message.metadata.num_delivered}".encode()
        await self._heard(told)
        with contextlib.suppress(NatsError):
            await self._bus.client.publish(subjects.HANDED_BACK, told)

    def deaths(self, message: Msg) -> int:
        """How many of those who had this message before did not give it back."""
        before = message.metadata.num_delivered - 1
        return before - sum(number <= before for number in self._known.get(_name(message), ()))

    async def _heard(self, told: bytes) -> None:
        name, _, number = told.decode().partition(" ")
        self._known.setdefault(name, set()).add(int(number))
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def _name(message: Msg) -> str:
    where = message.metadata
    return f"{where.stream}.{where.sequence.stream}"
