"""A real nats-server for every test, with files of its own, and buses connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from platelane.bus import Bus
from platelane.settings import Settings
from tests.bus.support import Caller, NatsServer


@pytest.fixture(autouse=True, scope="session")
def _plain_tracebacks() -> None:
    """Colourful ones with all variables take a tenth of a second each, in which nothing else happens."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, renderer])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path / "nats")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def settings(server: NatsServer) -> Settings:
    """Small waits, so that redelivery can be watched."""
    return Settings(nats_url=server.url, ack_wait=0.5, max_deliver=3, queue_limit=20, deadline=20)


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    bus = await Bus.connect(settings, "test")
    yield bus
    await bus.close()


@pytest.fixture
async def other_bus(settings: Settings) -> AsyncIterator[Bus]:
    """A second connection, as of another process."""
    bus = await Bus.connect(settings, "other")
    yield bus
    await bus.close()


@pytest.fixture
async def caller(bus: Bus) -> Caller:
    caller = Caller(bus)
    await caller.listen()
    return caller
