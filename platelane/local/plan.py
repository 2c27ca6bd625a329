"""The programs that the supervisor runs, and the order in which they start and stop, as values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


async def _no_preparation(_pid: int) -> None:
    """The default of `Program.on_ready`: most programs are ready when their `ready_url` says so."""


def _no_cleanup() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Program:
    """How to start a program, and how to find out whether it is ready.

    `environment` is added to the supervisor's own. `ready_url` answers 200 once the program can work. `address` is
    where people and other programs reach it (empty for workers, which do not listen). `folder` is its working directory
    (None: the supervisor's). `on_ready` is called with the process id each time `ready_url` has answered; the program
    is ready when it returns, and cannot start if it raises a PlatelaneError. If `restart_helps` is given, `ready_url`
    is watched, and a program that reports there that it can no longer work is restarted once `restart_helps` returns
    true. `on_end` cleans up after each end of the program.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready_url: str
    address: str = ""
    folder: Path | None = None
    start_seconds: float = 60.0
    stop_seconds: float = 4.0
    on_ready: Callable[[int], Awaitable[None]] = _no_preparation
    on_end: Callable[[], None] = _no_cleanup
    restart_helps: Callable[[], bool] | None = None
    package: str = ""
    """Python programs only: the package that `command` runs; the fork server can run it instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to run. Stages start one after another, the programs of a stage together; `stops` has the order of
    stopping."""

    starts: tuple[tuple[Program, ...], ...]
    stops: tuple[tuple[str, ...], ...]
    url: str
    nats_url: str
    triton_url: str
    state_dir: Path
    moved_ports: Mapping[int, int]
    grpc_address: str = ""
    """Empty if the gRPC service is off."""
    notices: tuple[str, ...] = ()
    """Deviations from the settings, to be shown to the user."""

    @property
    def logs(self) -> Path:
        return self.state_dir / "logs"
