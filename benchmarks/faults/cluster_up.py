"""`platelane up` with three NATS servers, each in its own network namespace, and three copies of everything.

python -m benchmarks.faults.cluster_up PORT STATE_DIR NAMESPACE...
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
from nats.errors import Error as NatsError

from benchmarks.faults.network import Network
from benchmarks.load import PATH
from benchmarks.nats_servers import CLUSTER, CONFIG, PROGRAM
from platelane.bus.apply import apply
from platelane.bus.connection import Connection
from platelane.errors import PlatelaneError
from platelane.local.plan import Plan, Program
from platelane.local.process import Process
from platelane.local.programs import make_plan
from platelane.local.supervisor import Supervisor
from platelane.resources import SAMPLE
from platelane.runtime.settings import SYNC_INTERVAL, Settings, read_settings

_PORT: Final = 4222
_MONITOR: Final = 8222
_ROUTES: Final = 6222
_PATIENCE: Final = 60.0


class SilentListener:
    """Ignores all events."""

    def ready(self, process: Process, seconds: float) -> None: ...
    def died(self, process: Process, how: str, delay: float) -> None: ...
    def back(self, process: Process, seconds: float) -> None: ...
    def unhealthy(self, process: Process, problem: str) -> None: ...


def _plan(settings: Settings, namespaces: list[str]) -> Plan:
    """The plan of `platelane up` with a cluster of NATS servers."""
    usual = make_plan(settings, {}, fixed_port=True)
    url = ",".join(f"nats://{Network.address(number)}:{_PORT}" for number in range(len(namespaces)))
    there = settings.model_copy(update={"nats_url": url})
    servers = [_server(number, name, settings.state_dir, len(namespaces)) for number, name in enumerate(namespaces)]
    servers[-1] = replace(servers[-1], on_ready=_topology(there))
    _, rest = usual.starts
    services = tuple(replace(each, environment={**each.environment, "PLATELANE_NATS_URL": url}) for each in rest)
    stops = (*usual.stops[:-1], tuple(server.name for server in servers))
    return replace(usual, starts=(tuple(servers), services), stops=stops, nats_url=url)


def _server(number: int, namespace: str, folder: Path, count: int) -> Program:
    host = Network.address(number)
    others = ", ".join(f'"nats-route://{Network.address(each)}:{_ROUTES}"' for each in range(count))
    text = CONFIG.format(
        number=number,
        host=host,
        port=_PORT,
        monitor=_MONITOR,
        store=folder / f"nats-{number}",
        sync_interval=SYNC_INTERVAL,
    ) + CLUSTER.format(host=host, port=_ROUTES, routes=others)
    config = folder / f"nats-{number}.conf"
    config.write_text(text)
    return Program(
        name=f"nats-{number}",
        command=("ip", "netns", "exec", namespace, str(PROGRAM), "--config", str(config)),
        environment={},
        ready_url=f"http://{host}:{_MONITOR}/healthz",
    )


def _topology(settings: Settings) -> Callable[[int], Awaitable[None]]:
    async def apply_topology(_pid: int) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                connection = await Connection.open(settings, "topology")
                try:
                    await apply(connection, settings)
                finally:
                    await connection.close()
            except (PlatelaneError, NatsError):  # the cluster may not have formed yet
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.5)
            else:
                return

    return apply_topology


async def _first_answer(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.timeout(_PATIENCE):
        while (await client.post(f"{url}{PATH}", files={"upload": SAMPLE.read_bytes()})).status_code != 200:
            await asyncio.sleep(0.2)


async def _serve(port: int, folder: Path, namespaces: list[str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    folder.mkdir(exist_ok=True)
    settings = read_settings().model_copy(update={"port": port, "state_dir": folder})
    plan = _plan(settings, namespaces)
    supervisor = Supervisor(plan, SilentListener())
    try:
        await supervisor.start()
        await _first_answer(plan.url)
        supervisor.mark_ready()
        await stop.wait()
    finally:
        await supervisor.stop()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
