"""Webhook services and nats-server are killed during deliveries; only what arrived counts."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.responses import Response

from platelane.bus import Bus
from platelane.runtime.settings import Settings
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import DEAD, DELIVERED, DROPPED, HookRegistry
from tests.receiver import Received, receiving
from tests.support import NatsServer, eventually
from tests.webhook_svc.services import create, see

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 90
AT_ONCE = 4
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Start a service as a process of its own."""
    values = settings.model_dump(exclude_defaults=True)
    environment = {**os.environ, **{f"PLATELANE_{name.upper()}": str(value) for name, value in values.items()}}
    processes: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "webhook_svc"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()


async def test_what_arrived_is_counted_once_whatever_is_killed(
    bus: Bus, server: NatsServer, hooks: HookRegistry, start: Start
) -> None:
    """Killed while requests are under way: an event may arrive twice, and counts once."""
    killed = 0

    async def slow(_: Received) -> Response:
        await asyncio.sleep(0.05)
        return Response()

    async with receiving(slow) as receiver:
        service = start()
        hook = await create(hooks, receiver, concurrency=AT_ONCE)

        async def publish() -> None:
            for number in range(EVENTS):
                await see(bus, f"{number}", camera=f"{number % 7}")

        publishing = asyncio.create_task(publish())
        for arrived, with_nats in ((10, False), (30, True), (50, False), (70, True)):
            await receiver.wait(arrived)
            service.kill()
            killed += 1
            if with_nats:
                server.kill()
                await asyncio.to_thread(server.start)
            await asyncio.to_thread(service.wait)
            service = start()
        await publishing

        async def settled() -> bool:
            names = {got.filename for got in receiver.received}
            return len(names) == EVENTS and await Queue(bus, hook.id).waiting() == 0

        await eventually(settled)
        counts = await hooks.counts(hook.id)
    assert counts == {DELIVERED: EVENTS, DROPPED: 0, DEAD: 0}
    arrivals = Counter(got.filename for got in receiver.received)
    assert set(arrivals) == {f"{number}" for number in range(EVENTS)}
    assert arrivals.total() - EVENTS <= killed * AT_ONCE, "only what was under way is sent again"
    keys = {got.filename: got.key for got in receiver.received}
    assert all(keys[got.filename] == got.key for got in receiver.received), "by which the receiver knows it"
