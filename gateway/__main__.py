"""`python -m gateway`"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
from typing import Final

from gateway import server
from gateway.accounts import Accounts
from gateway.app import create_app
from gateway.events import EventRoutes
from gateway.hooks import HookRoutes
from gateway.keeper import Keeper
from gateway.observed import Observed
from gateway.recognizer import Recognizer
from gateway.zones import ZoneStore
from platelane import service
from platelane.bus import Bus
from platelane.hooks.store import Hooks
from platelane.settings import Settings

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 20


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Serve the REST API and the gRPC service until `stop`."""
    listener = server.bind(settings.host, settings.port)  # first, so that a gateway which says it is ready has a port
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a broken form is its sender's problem
    _return_large_blocks()
    accounts, zones = Accounts(bus, settings), ZoneStore(bus)
    hooks = await Hooks.open(bus)
    recognizer = Recognizer(bus, zones, Keeper(bus, hooks), settings)
    hook_routes, events = HookRoutes(bus, hooks, accounts, settings), EventRoutes(bus, accounts, settings, stop)
    for each in (accounts, zones, recognizer, events):
        await each.start()
    app = create_app(recognizer, accounts, zones, hook_routes, events, settings)
    async with contextlib.AsyncExitStack() as edges:
        if settings.grpc_port:
            # takes memory that a gateway without it has no use for
            from gateway.grpc_edge.server import serving

            await edges.enter_async_context(serving(recognizer, accounts, bus, settings, stop))
        await server.serve(Observed(app), listener, settings, stop)


def _return_large_blocks() -> None:
    """Have glibc give the memory of large uploads back to the system at once, which by its own rule it would keep."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE)


if __name__ == "__main__":
    service.run("gateway", main)
