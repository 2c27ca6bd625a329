"""Start with `python -m webhook_svc`."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx

from platelane import service
from platelane.bus import Bus, DeadLetters, Worker, topology
from platelane.pb.v1 import stages_pb2
from platelane.settings import Settings
from webhook_svc.aggregator import Aggregator
from webhook_svc.dispatcher import Deliverer, Dispatcher

AGGREGATIONS: Final = 16
DISPATCHES: Final = 2
DELIVERIES: Final = 16
"""At once in one process; these wait for NATS and for receivers rather than compute."""


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Join parts, answer, deliver and bury until `stop` is set."""
    async with httpx.AsyncClient(timeout=settings.webhook_timeout, follow_redirects=False) as client:
        aggregator = Aggregator(bus)
        dispatcher = Dispatcher(bus, settings.webhook_targets)
        deliverer = Deliverer(client)
        await asyncio.gather(
            Worker(bus, topology.AGGREGATOR, stages_pb2.Part, aggregator.handle, AGGREGATIONS).run(stop),
            Worker(bus, topology.DISPATCHER, stages_pb2.Result, dispatcher.handle, DISPATCHES).run(stop),
            Worker(bus, topology.DELIVERER, stages_pb2.Delivery, deliverer.handle, DELIVERIES).run(stop),
            DeadLetters(bus).run(stop),
        )


if __name__ == "__main__":
    service.run("webhook_svc", main)
