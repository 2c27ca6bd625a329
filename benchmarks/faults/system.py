"""A running Platelane whose processes can be killed, frozen, and restarted with their files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import httpx
import psutil

from benchmarks import stack
from benchmarks.load import with_children
from platelane.bus import Bus, subjects, topology
from platelane.local import state
from platelane.local.ports import Ports
from platelane.local.state import State
from platelane.runtime.settings import Settings

_GONE_SECONDS: Final = 10.0
_BATCH: Final = 500


class System(Protocol):
    """The system that a fault affects."""

    @property
    def url(self) -> str:
        """The address of the API, which survives restarts."""

    @property
    def state(self) -> State:
        """The current state.

        Raises:
            RuntimeError: it is not running.
        """


class Up:
    """`platelane up` with a state directory and port that are kept across restarts."""

    def __init__(self, folder: Path, options: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        """`environment` is added to that of this process."""
        self.folder = folder
        self.port = Ports().take()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = options
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> State:
        found = state.read(self.folder)
        if found is None:
            raise RuntimeError("the system is not running any more")
        return found

    @property
    def command(self) -> list[str]:
        """The command to run; options are appended."""
        up = [sys.executable, "-m", "platelane.cli", "up"]
        return [*up, "--port", str(self.port), "--state-dir", str(self.folder)]

    def start(self) -> None:
        """Start; returns once it has read a photograph.

        Raises:
            CannotStart: with its own error message.
        """
        output = self.folder.with_name(f"{self.folder.name}.log")
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, *self._options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )
        stack.ready(self._process, self.folder, output)

    def stop(self) -> None:
        """Stop as with Ctrl-C."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(stack.STOP_SECONDS)

    def crash(self) -> None:
        """SIGKILL for the supervisor and everything that it has started, all at once."""
        if self._process:
            _kill(with_children(self._process.pid))
            self._process.wait()


def kill(system: System, name: str) -> None:
    """SIGKILL for one process; returns once it is gone. Does nothing while it is being started."""
    pid = system.state.processes[name].pid
    if pid is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            _kill([psutil.Process(pid)])


def send_signal(system: System, name: str, number: signal.Signals) -> None:
    """Send a signal to a process and those that it has started; does nothing while it is being started."""
    pid = system.state.processes[name].pid
    if pid is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in with_children(pid):
                each.send_signal(number)


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process.wait(_GONE_SECONDS)


async def is_ready(system: System) -> bool:
    """Whether all processes report that they are ready."""
    try:
        pages = [process.ready_url for process in system.state.processes.values() if process.pid is not None]
        if len(pages) < len(system.state.processes):
            return False
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            answers = await asyncio.gather(*(client.get(page) for page in pages))
    except (httpx.TransportError, RuntimeError):
        return False
    return all(answer.status_code == 200 for answer in answers)


async def results_by_camera(system: System, prefix: str) -> dict[str, list[str]]:
    """The ids of all stored results by camera, of cameras whose names begin with `prefix`.

    Raises:
        EngineUnavailable: NATS does not answer.
    """
    bus = await Bus.connect(Settings(nats_url=system.state.nats_url), "benchmark")
    try:
        stream, start = bus.stream(topology.RESULTS), 1
        found: dict[str, list[str]] = defaultdict(list)
        while records := await stream.read(subjects.ALL_RESULTS, start, _BATCH):
            for record in records:
                camera = subjects.decode(record.subject.split(".")[2])
                if camera.startswith(prefix):
                    found[camera].append(record.key)
            start = records[-1].sequence + 1
        return found
    finally:
        await bus.close()
