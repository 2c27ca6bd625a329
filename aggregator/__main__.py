"""Start with `python -m aggregator`."""

from __future__ import annotations

import asyncio
from typing import Final

from aggregator.handler import Aggregator, ReceivedPart
from platelane.bus import Bus, DeadLetters, Worker, topology
from platelane.bus.parts import Parts
from platelane.runtime import service
from platelane.runtime.settings import Settings
from platelane.usage import CallCounter
from platelane.vision.model_specs import ModelRepository

IN_FLIGHT: Final = 16
"""Parts handled at once in one process; they wait for NATS rather than compute."""


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Join parts, answer callers, count calls and keep dead letters until `stop` is set."""
    calls = CallCounter(bus)
    aggregator = Aggregator(bus, Parts(bus), calls, ModelRepository(settings.model_repository).dscore)
    await asyncio.gather(
        Worker(bus, topology.AGGREGATOR, ReceivedPart, aggregator.handle, IN_FLIGHT).run(stop),
        DeadLetters(bus).run(stop),
        calls.keep_rolled_up(stop),
    )


if __name__ == "__main__":
    service.run("aggregator", main)
