"""A fault: a temporary disturbance of a running system."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.faults.places import Place, Setup, plain
from benchmarks.faults.system import System
from benchmarks.receiver import ReceiverProcess

USUAL: Final = Setup({})


@dataclass(slots=True)
class Scene:
    """The surroundings of a fault. `notes` are reported with the outcome."""

    system: System
    receiver: ReceiverProcess
    photo: bytes
    folder: Path
    notes: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float = 0.0
    """When the fault ended, in monotonic seconds."""

    def end(self) -> None:
        """Mark the fault as over, although `inject` may still have something to do."""
        if not self.over.is_set():
            self.ended = time.monotonic()
            self.over.set()


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` causes it and returns once it is over. Neighbours with the same `place` and `setup` share a system."""

    name: str
    does: str
    inject: Callable[[Scene], Coroutine[Any, Any, None]]
    setup: Setup = USUAL
    place: Place = plain
