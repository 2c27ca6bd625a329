"""Start with `python -m webhook_svc`."""

from __future__ import annotations

import asyncio
from typing import Final

from platelane import service
from platelane.bus import Bus, DeadLetters, Worker, topology
from platelane.hooks.post import Poster
from platelane.hooks.store import Hooks
from platelane.pb.v1 import stages_pb2
from platelane.settings import Settings
from webhook_svc.aggregator import Aggregator, Part
from webhook_svc.deliverer import Deliverer
from webhook_svc.dispatcher import Dispatcher
from webhook_svc.lanes import Lanes
from webhook_svc.mail import Mailer

AGGREGATIONS: Final = 16
"""At once in one process; these wait for NATS rather than compute."""


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Join parts, answer, deliver and bury until `stop` is set."""
    hooks = await Hooks.open(bus)
    async with Poster(settings.webhook_timeout) as poster:
        aggregator = Aggregator(bus)
        dispatcher = Dispatcher(bus, hooks)
        deliverer = Deliverer(bus, hooks, poster, Mailer(settings).notify)
        await asyncio.gather(
            Worker(bus, topology.AGGREGATOR, Part, aggregator.handle, AGGREGATIONS).run(stop),
            Worker(bus, topology.DISPATCHER, stages_pb2.Result, dispatcher.handle, in_flight=1).run(stop),
            Lanes(bus, hooks, deliverer).run(stop),
            deliverer.count(stop),
            DeadLetters(bus).run(stop),
        )


if __name__ == "__main__":
    service.run("webhook_svc", main)
