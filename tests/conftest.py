"""Fixtures: a real nats-server with its own files, and buses connected to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest
import structlog

from platelane.bus import Bus
from platelane.runtime.settings import Settings
from platelane.webhooks.registry import HookRegistry
from tests.support import Caller, NatsServer, apply_topology

# a busy machine may need more than the usual 200 ms for one example
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


_SECONDS: Final[defaultdict[str, float]] = defaultdict(float)
"""What the tests of each room have taken so far."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    folders = report.nodeid.split("/")
    if folders[0] == "tests" and len(folders) > 2:
        _SECONDS[folders[1]] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if len(_SECONDS) > 1:
        told = ", ".join(f"{room} {seconds:.0f}" for room, seconds in sorted(_SECONDS.items()))
        terminalreporter.write_line(f"seconds by room: {told}")


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
    return Settings(nats_url=server.url, ack_wait=0.5, max_deliver=3, queue_limit=20, deadline=60)


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    await apply_topology(settings)
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
async def hooks(bus: Bus) -> HookRegistry:
    """The hooks as another process knows and changes them."""
    return await HookRegistry.open(bus)


@pytest.fixture
async def caller(bus: Bus) -> Caller:
    caller = Caller(bus)
    await caller.listen()
    return caller
