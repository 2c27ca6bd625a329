"""The common part of every `python -m <service>`: logs, signals, the connection, the health page, exit codes.

async def main(settings: Settings, bus: Bus, stop: asyncio.Event) -> None:
    service.health.require("triton", inference.ready)
    await Worker(...).run(stop)

service.run("detector", main)
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Final, NoReturn, TypeVar

import structlog

from platelane.bus import Bus, pulse
from platelane.errors import CannotStart, EngineUnavailable, PlatelaneError
from platelane.runtime import clock, logs, memory, metrics, tracing
from platelane.runtime.health import HealthPage
from platelane.runtime.settings import Settings, read_settings

try:
    import uvloop
except ImportError:  # not available on every platform
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

log = structlog.get_logger(__name__)

T = TypeVar("T")
Main = Callable[[Settings, Bus, asyncio.Event], Awaitable[None]]

health: Final = HealthPage()
"""The health page of this process; a service adds its own checks."""
models: Final[dict[str, int]] = {}
"""The models that this process uses, with the largest batch that Triton accepts; a service adds them."""


def run(name: str, main: Main) -> NoReturn:
    """Run a service until SIGTERM or SIGINT; the same signal a second time ends it at once.

    Exits with 0 after a stop, and with 1 and one line in the log if the service cannot start or continue.
    """
    # The loop resolves host names in its own threads, by default four. A name server that does not answer blocks one
    # for ten seconds or more, and would soon block all look-ups.
    os.environ.setdefault("UV_THREADPOOL_SIZE", "64")
    try:
        configuration = read_settings()
    except CannotStart as error:
        print(error.detail, file=sys.stderr)
        sys.exit(1)
    logs.configure(name, configuration)
    tracing.configure(name, configuration.otlp_endpoint)
    memory.keep()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        code = runner.run(_serve(name, main, configuration))
    sys.exit(code)


async def _serve(name: str, main: Main, configuration: Settings) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    try:
        async with _health_page(configuration):
            bus = await _unless(stop, Bus.connect(configuration, name))
            if bus is not None:
                await pulse.answer(bus, lambda: _pulse(name))
                await _work(main, configuration, bus, stop)
    except PlatelaneError as error:
        log.error("cannot_run", reason=error.detail)
        return 1
    except Exception:
        log.exception("crashed")
        return 1
    log.info("stopped")
    return 0


async def _work(main: Main, configuration: Settings, bus: Bus, stop: asyncio.Event) -> None:
    async def connected() -> bool:
        return bus.connected

    async def required() -> bool:
        return bus.requirements.met

    health.show("nats", connected)
    health.show("topology", required)
    bus.connection.spawn(clock.watch())
    working, lost = (
        asyncio.create_task(_start(main, configuration, bus, stop)),
        asyncio.create_task(bus.connection.lost.wait()),
    )
    try:
        await asyncio.wait((working, lost), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise EngineUnavailable("NATS has ended the connection")
        working.result()
    finally:
        working.cancel()
        lost.cancel()
        await asyncio.wait((working, lost))
        await bus.close()


async def _pulse(name: str) -> pulse.Pulse:
    report = await health.report()
    return pulse.Pulse(
        service=name, ready=report.ready, checks=report.checks, seconds=metrics.stage_counts(), models=models
    )


async def _start(main: Main, configuration: Settings, bus: Bus, stop: asyncio.Event) -> None:
    """Wait for streams and consumers, then work until `stop`."""

    async def running() -> bool:
        return not stop.is_set()

    await _unless(stop, bus.requirements.wait())
    if not stop.is_set():
        health.require("running", running)
        log.info("started")
        await main(configuration, bus, stop)


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Stop at the first signal, and exit at once when the same signal comes again. A different one does not count,
    because a supervisor may forward SIGTERM while the terminal sends SIGINT."""
    loop = asyncio.get_running_loop()
    seen: set[int] = set()

    def on_signal(number: int) -> None:
        if number in seen:
            os._exit(128 + number)
        seen.add(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


async def _unless(stop: asyncio.Event, starting: Coroutine[object, object, T]) -> T | None:
    """The result of `starting`, or None if `stop` comes first."""
    task, stopped = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait((task,))
    return None


@contextlib.asynccontextmanager
async def _health_page(configuration: Settings) -> AsyncIterator[None]:
    """Serve the health page even before there is a connection: a starting process must not look like a dead one."""
    health.require("running", not_yet)
    health.show("nats", not_yet)
    health.show("topology", not_yet)
    if configuration.health_port == 0:
        yield
        return
    try:
        server = await health.serve(configuration.health_host, configuration.health_port)
    except OSError as error:
        address = f"{configuration.health_host}:{configuration.health_port}"
        raise CannotStart(f"The health page cannot listen on {address}: {error.strerror}") from error
    async with server:
        yield


async def not_yet() -> bool:
    """A check that fails until it is replaced."""
    return False
