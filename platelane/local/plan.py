"""What the supervisor runs, as values: programs, and the order in which they start and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


async def _nothing_more(_pid: int) -> None:
    """Most programs are ready when they say so."""


def _nothing_left() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Program:
    """What to start, and how to tell that it is ready.

    `environment` is added to the supervisor's own; `ready_url` answers 200 once the program can work; `address` is
    where people and other programs reach it (empty for a worker, which listens to nobody); `folder` is where it runs
    (None: where the supervisor does); `on_ready` gets the process id whenever that page has answered; the program is
    ready when it returns, and cannot start when it raises a PlatelaneError. A program that says at `ready_url`, after
    it was ready, that it cannot work any more is started again once `restart_helps` says so; without it, nobody asks.
    `on_end` takes away what it left, after each of its ends.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready_url: str
    address: str = ""
    folder: Path | None = None
    start_seconds: float = 60.0
    stop_seconds: float = 4.0
    on_ready: Callable[[int], Awaitable[None]] = _nothing_more
    on_end: Callable[[], None] = _nothing_left
    restart_helps: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to run. Stages start one after another, the programs of one stage together; they stop in reverse."""

    starts: tuple[tuple[Program, ...], ...]
    stops: tuple[tuple[str, ...], ...]
    url: str
    nats_url: str
    triton_url: str
    state_dir: Path
    moved_ports: Mapping[int, int]
    grpc_address: str = ""
    """Empty where the service is off."""
    notices: tuple[str, ...] = ()
    """What is not as the settings say, for the person who starts it."""

    @property
    def logs(self) -> Path:
        return self.state_dir / "logs"
