"""Processes that hang, and queues that fill up behind them."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Final

from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.places import Setup
from benchmarks.faults.system import send_signal

_FROZEN_SECONDS: Final = 6.0
_NATS_SECONDS: Final = 8.0
"""Seconds; nearly as long as a request may take."""
_FULL_SECONDS: Final = 10.0
_SLOW_SECONDS: Final = 10.0
_PULSE: Final = (0.4, 0.1)
"""Seconds for which Triton is frozen and running, alternately."""


async def _freeze_reader(scene: Scene) -> None:
    await _frozen(scene, "ocr", _FROZEN_SECONDS)


async def _freeze_one_of_two(scene: Scene) -> None:
    await _frozen(scene, "ocr-1", _FROZEN_SECONDS)


async def _freeze_nats(scene: Scene) -> None:
    await _frozen(scene, "nats-server", _NATS_SECONDS)


async def _fill_stream(scene: Scene) -> None:
    await _frozen(scene, "detector", _FULL_SECONDS)


async def _frozen(scene: Scene, name: str, seconds: float) -> None:
    send_signal(scene.system, name, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        send_signal(scene.system, name, signal.SIGCONT)


async def _slow_triton(scene: Scene) -> None:
    end = time.monotonic() + _SLOW_SECONDS
    while time.monotonic() < end:
        await _frozen(scene, "triton", _PULSE[0])
        await asyncio.sleep(_PULSE[1])


FAULTS: Final = (
    Fault("freeze-worker", f"SIGSTOP of the only ocr for {_FROZEN_SECONDS:g} s", _freeze_reader),
    Fault("freeze-nats", f"SIGSTOP of nats-server for {_NATS_SECONDS:g} s", _freeze_nats),
    Fault(
        "slow-triton",
        f"Triton frozen {_PULSE[0]:g} s of every {sum(_PULSE):g} s, for {_SLOW_SECONDS:g} s",
        _slow_triton,
    ),
    Fault(
        "freeze-one-of-two",
        f"SIGSTOP of one ocr of two for {_FROZEN_SECONDS:g} s",
        _freeze_one_of_two,
        Setup({}, ("--scale", "ocr=2")),
    ),
    Fault(
        "full-stream",
        f"room for 8 photographs, and no detector (SIGSTOP) for {_FULL_SECONDS:g} s",
        _fill_stream,
        Setup({"queue_limit": "8"}),
    ),
)
