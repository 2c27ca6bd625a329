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
from gateway.recognizer import Recognizer
from gateway.zones import ZoneStore
from platelane import service
from platelane.bus import Bus
from platelane.settings import Settings

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1 << 20


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Serve the REST API until `stop`."""
    listener = server.bind(settings.host, settings.port)  # first, so that a gateway which says it is ready has a port
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a broken form is its sender's problem
    _return_large_blocks()
    accounts, zones = Accounts(bus, settings), ZoneStore(bus)
    recognizer = Recognizer(bus, zones, settings)
    for each in (accounts, zones, recognizer):
        await each.start()
    await server.serve(create_app(recognizer, accounts, zones, settings), listener, settings, stop)


def _return_large_blocks() -> None:
    """Have glibc give the memory of large uploads back to the system at once, which by its own rule it would keep."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, _LARGE)


if __name__ == "__main__":
    service.run("gateway", main)
