"""Counts deliveries that live workers returned. All other failed deliveries ended with the death of their worker."""

from __future__ import annotations

from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from platelane.bus import subjects, topology
from platelane.bus.client import Bus
from platelane.errors import PlatelaneError

_PATIENCE: Final = 2.0
"""Seconds that a message waits for its hand-back to be counted before it is returned anyway."""


class HandBacks:
    """The stream HANDED_BACK: a counter for each message that was returned."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def count(self, message: Msg) -> None:
        """Count that a live worker is about to return this message. Counting a delivery twice has no effect."""
        try:
            await self._add(message, _PATIENCE)
        except (PlatelaneError, NatsError, APIError):
            self._bus.connection.spawn(self._add(message, self._bus.settings.deadline))

    async def deaths(self, message: Msg) -> int:
        """How many earlier workers had this message and did not return it.

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
