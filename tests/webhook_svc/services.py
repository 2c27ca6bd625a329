"""Running webhook services, and results published for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from platelane.bus import Bus, subjects
from platelane.bus.streams import Record
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.runtime.settings import Settings
from platelane.webhooks.health import HealthStore, HookHealth
from platelane.webhooks.hook import Hook, HookSettings
from platelane.webhooks.queue import Queue
from platelane.webhooks.registry import HookRegistry
from tests.receiver import Receiver
from tests.support import apply_topology, eventually
from webhook_svc.__main__ import main


@asynccontextmanager
async def working(settings: Settings, count: int = 1) -> AsyncIterator[None]:
    """So many webhook services at work."""
    stop = asyncio.Event()
    await apply_topology(settings)
    buses = [await Bus.connect(settings, f"webhook_svc-{number}") for number in range(count)]
    services = [asyncio.create_task(main(settings, bus, stop)) for bus in buses]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*services)
        for bus in buses:
            await bus.close()


async def create(hooks: HookRegistry, receiver: Receiver, account: str = "", **fields: object) -> Hook:
    """A hook, once the services know it."""
    hook = await hooks.create(HookSettings.checked({"target": receiver.url, **fields}), account)
    await known(hooks, hook)
    return hook


async def known(hooks: HookRegistry, hook: Hook) -> None:
    async def has_queue() -> bool:
        return await hooks.bus.stream(f"HOOK_{hook.id}").state() is not None

    await eventually(has_queue)


async def see(bus: Bus, name: str, camera: str = "gate", plate: str = "", account: str = "") -> None:
    """A result, as the aggregator publishes it."""
    sightings = [domain_pb2.Sighting(plate=domain_pb2.Plate(text=plate, text_score=0.9))] if plate else []
    recognition = domain_pb2.Recognition(
        id=name, camera_id=camera, filename=name, timestamp_us=1, sightings=sightings, image_width=64, image_height=48
    )
    result = stages_pb2.Result(recognition=recognition, account=account)
    await bus.publish(subjects.result(camera, name), result, f"{name}.final")


async def until_counted(hooks: HookRegistry, hook: Hook, what: str, number: int) -> None:
    async def counted() -> bool:
        return (await hooks.counts(hook.id))[what] == number

    await eventually(counted)


async def only_dead_letter(queue: Queue) -> tuple[Record, stages_pb2.DeadLetter]:
    """Waits for it: it is counted before it is kept."""

    async def kept() -> bool:
        return await queue.dead_letters(1, 10) != []

    await eventually(kept)
    (found,) = await queue.dead_letters(1, 10)
    return found


async def holds(store: HealthStore, hook: Hook, condition: Callable[[HookHealth], bool]) -> bool:
    return condition(await store.get(hook.id))
