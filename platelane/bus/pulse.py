"""Health of all processes: each answers a plain message with its state. Nothing is stored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from platelane.bus import subjects
from platelane.bus.client import Bus

PATIENCE: Final = 2.5
"""Seconds that answers may take; a check may take two."""
MOST: Final = 1_000
"""The most answers that are read."""
_REPLICAS: Final = 0.2
"""Seconds to wait for answers of further replicas once each service has answered."""


class Pulse(BaseModel):
    """The state of a process: its checks, the largest batch of each model that it uses, and `metrics.stage_counts`."""

    model_config = ConfigDict(frozen=True)

    service: Annotated[str, Field(max_length=100)]
    ready: bool
    checks: dict[str, bool]
    seconds: dict[str, list[int]]
    models: dict[str, int]


async def answer(bus: Bus, state: Callable[[], Awaitable[Pulse]]) -> None:
    """Answer every request with `state`, for the life of the connection."""

    async def receive(message: Msg) -> None:
        with contextlib.suppress(NatsError):
            await bus.client.publish(message.reply, (await state()).model_dump_json().encode())

    await bus.client.subscribe(subjects.PULSE, cb=receive)


async def ask(bus: Bus, services: Collection[str], patience: float = PATIENCE) -> list[Pulse]:
    """The answers of all processes. It only takes `patience` seconds if one of `services` does not answer.

    Raises:
        NatsError: the connection is closed.
    """
    found: list[Pulse] = []
    missing, complete = set(services), asyncio.Event()

    async def receive(message: Msg) -> None:
        with contextlib.suppress(ValidationError):
            if len(found) < MOST:
                found.append(Pulse.model_validate_json(message.data))
                missing.discard(found[-1].service)
        if not missing:
            complete.set()

    inbox = bus.new_inbox()
    subscription = await bus.client.subscribe(inbox, cb=receive)
    try:
        await bus.client.publish(subjects.PULSE, reply=inbox)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await complete.wait()
                await asyncio.sleep(_REPLICAS)
    finally:
        with contextlib.suppress(NatsError):
            await subscription.unsubscribe()
    return found
