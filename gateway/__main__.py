"""`python -m gateway`"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from typing import Final

from gateway import server
from gateway.accounts import Accounts, BusCounters
from gateway.app import create_app
from gateway.idempotency import KeyedRequests
from gateway.image_retention import ImageRetention
from gateway.intake import Intake
from gateway.jobs import JobClient
from gateway.outcomes import Outcomes
from gateway.result_feed import ResultFeed
from gateway.zones import ZoneStore
from platelane.bus import Bus, topology
from platelane.bus.mirror import Mirror
from platelane.runtime import loop_watch, service
from platelane.runtime.settings import Settings
from platelane.tokens import Token
from platelane.vision.decoders import Decoders
from platelane.webhooks.registry import HookRegistry
from platelane.webhooks.watchlists import WatchlistStore

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 20


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Serve the REST API and the gRPC service until `stop`."""
    listener = server.bind(settings.host, settings.port)  # first, to fail at once if the port is taken
    service.health.require("serving", service.not_yet)  # until `server.serve` says so
    _return_large_blocks()
    tokens = Mirror(bus, topology.TOKENS, Token.model_validate_json)
    accounts, intake = Accounts(tokens, BusCounters(bus), settings), Intake(settings)
    zones, lists, feed = ZoneStore(bus), WatchlistStore(bus), ResultFeed(bus, stop)
    hooks = await HookRegistry.open(bus)
    outcomes = Outcomes(bus)
    jobs = JobClient(bus, accounts, zones, ImageRetention(bus, hooks), outcomes, settings)
    service.health.require("storage", jobs.stores)
    keyed = KeyedRequests(bus, jobs, outcomes, settings)
    for each in (tokens, zones, lists, outcomes, jobs, feed):
        await each.start()
    async with contextlib.AsyncExitStack() as edges:
        if settings.grpc_port:
            # takes memory that a gateway without it has no use for
            from gateway.grpc.server import serving

            await edges.enter_async_context(serving(jobs, keyed, accounts, intake, feed, settings, stop))
        decoders = edges.enter_context(Decoders())
        app = create_app(
            bus, jobs, keyed, outcomes, tokens, accounts, intake, zones, lists, hooks, feed, settings, decoders.decode
        )
        bus.connection.spawn(loop_watch.watch())
        gc.collect()
        gc.freeze()  # so that collections during requests skip what lives forever
        await server.serve(app, listener, settings, stop)


def _return_large_blocks() -> None:
    """Have glibc return the memory of large uploads to the system at once; by default it would keep it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE)


if __name__ == "__main__":
    service.run("gateway", main)
