"""Start with `python -m webhook_svc`."""

from __future__ import annotations

import asyncio
from functools import partial

from platelane.bus import Bus, Worker, topology
from platelane.bus.roll_up import every_minute, roll_up
from platelane.pb.v1 import stages_pb2
from platelane.runtime import metrics, priority, service
from platelane.runtime.settings import Settings
from platelane.vision.decoders import Decoders
from platelane.webhooks.health import HealthStore
from platelane.webhooks.http_client import WebhookClient
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import HookRegistry
from platelane.webhooks.watchlists import WatchlistStore
from webhook_svc.backlog import Backlog
from webhook_svc.delivery import DeliveryHandler
from webhook_svc.delivery_workers import DeliveryWorkers, HookQueues
from webhook_svc.fan_out import FanOut
from webhook_svc.health_tracker import HealthTracker
from webhook_svc.mail import Mailer


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Queue results for the hooks whose filter they match, and deliver them, until `stop` is set."""
    hooks, lists = await HookRegistry.open(bus), WatchlistStore(bus)
    await lists.start()
    metrics.before_scrape("backlog", Backlog(bus, hooks).update)
    health = HealthTracker(HealthStore(bus))
    with Decoders() as decoders:
        async with WebhookClient(settings.webhook_timeout, settings.webhook_networks) as client:
            fan_out = FanOut(hooks, partial(Queue, bus), settings.webhook_queue, lists)
            delivery = DeliveryHandler(
                settings,
                hooks,
                health,
                client,
                partial(Queue, bus),
                bus.stream(topology.KV_IMAGES),
                Mailer(settings).notify,
                decoders.decode,
                lists,
            )
            queues = HookQueues(bus, hooks, delivery)
            await queues.open()
            await asyncio.gather(
                Worker(bus, topology.FAN_OUT, stages_pb2.Result, fan_out.handle, in_flight=1).run(stop),
                DeliveryWorkers(hooks, settings.webhook_queue, queues.serve).run(stop),
                health.run(stop),
                every_minute(partial(roll_up, bus.stream(topology.HOOK_COUNTS)), stop),
            )


if __name__ == "__main__":
    priority.step_back()
    service.run("webhook_svc", main)
