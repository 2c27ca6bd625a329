"""Deliveries that workers gave back alive: those that are left over ended with the death of whoever had them."""

from __future__ import annotations

from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from platelane.bus import subjects, topology
from platelane.bus.client import Bus
from platelane.errors import PlatelaneError

_PATIENCE: Final = 2.0
"""Seconds that a message waits for its hand-back to be counted before it is given back all the same."""


class HandBacks:
    """The stream HANDED_BACK: a counter for each message that was given back."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def count(self, message: Msg) -> None:
        """Whoever has this message lives, and is about to give it back. Counting it twice changes nothing."""
        try:
            await self._add(message, _PATIENCE)
        except (PlatelaneError, NatsError, APIError):
            self._bus.connection.spawn(self._add(message, self._bus.settings.deadline))

    async def deaths(self, message: Msg) -> int:
        """How many of those who had this message before did not give it back.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        given_back = await self._bus.stream(topology.HANDED_BACK, _PATIENCE).value(_subject(message))
        return message.metadata.num_delivered - 1 - given_back

    async def _add(self, message: Msg, patience: float) -> None:
        subject = _subject(message)
        await self._bus.stream(topology.HANDED_BACK, patience).add(
            subject, 1, f"{subject}.{message.metadata.num_delivered}"
        )


def _subject(message: Msg) -> str:
    where = message.metadata
    return subjects.handed_back(where.stream, where.sequence.stream)
