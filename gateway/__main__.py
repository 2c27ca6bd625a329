"""`python -m gateway`"""

from __future__ import annotations

import asyncio
import logging

from gateway import server
from gateway.app import create_app
from gateway.recognizer import Recognizer
from platelane import service
from platelane.bus import Bus
from platelane.settings import Settings


async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Serve the REST API until `stop`."""
    listener = server.bind(settings.host, settings.port)  # first, so that a gateway which says it is ready has a port
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a broken form is its sender's problem
    recognizer = Recognizer(bus, settings)
    await recognizer.start()
    await server.serve(create_app(recognizer, bus, settings), listener, settings, stop)


if __name__ == "__main__":
    service.run("gateway", main)
