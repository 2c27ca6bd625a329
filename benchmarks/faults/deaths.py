"""Processes that are killed: one, one after another, or all at once."""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import Final

from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.system import Up, kill

PROCESSES: Final = (
    "nats-server", "triton", "detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads", "gateway"
)  # fmt: skip
_RANDOM_SECONDS: Final = 20.0
_RANDOM_PAUSE: Final = (1.0, 3.0)


async def _kill(name: str, scene: Scene) -> None:
    kill(scene.system, name)


async def _kill_at_random(scene: Scene) -> None:
    end, killed = time.monotonic() + _RANDOM_SECONDS, 0
    while time.monotonic() < end:
        kill(scene.system, random.choice(PROCESSES))
        killed += 1
        await asyncio.sleep(random.uniform(*_RANDOM_PAUSE))
    scene.notes.append(f"{killed} kills")


async def _kill_everything(scene: Scene) -> None:
    system = scene.system
    assert isinstance(system, Up)
    await asyncio.to_thread(system.crash)
    await asyncio.sleep(1)
    scene.end()
    await asyncio.to_thread(system.start)


FAULTS: Final = (
    *(Fault(f"kill-{name}", f"SIGKILL of {name}", partial(_kill, name)) for name in PROCESSES),
    Fault("kill-random", "SIGKILL of any process, every 1 to 3 s for 20 s", _kill_at_random),
    Fault("power-loss", "SIGKILL of everything at once, `platelane up` again a second later", _kill_everything),
)
