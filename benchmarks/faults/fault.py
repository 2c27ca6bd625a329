"""What a fault is: something that is done to a running system, and then no longer."""

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
    """A fault's surroundings. `notes` are told beside the outcome."""

    system: System
    receiver: ReceiverProcess
    photo: bytes
    folder: Path
    notes: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float = 0.0
    """Seconds of the monotonic clock, once it is over."""

    def end(self) -> None:
        """The fault is over now, though `inject` may have something left to do."""
        if not self.over.is_set():
            self.ended = time.monotonic()
            self.over.set()


@dataclass(frozen=True, slots=True)
class Fault:
    """`inject` does it and returns once it is over. Neighbours with the same `place` and `setup` share a system."""

    name: str
    does: str
    inject: Callable[[Scene], Coroutine[Any, Any, None]]
    setup: Setup = USUAL
    place: Place = plain
