"""Runs a separate Platelane for a measurement."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platelane.bus import Bus, topology
from platelane.errors import CannotStart
from platelane.local import state
from platelane.local.state import State
from platelane.runtime.settings import Settings

START_SECONDS = 120.0
STOP_SECONDS = 30.0


@contextmanager
def running(*arguments: str, **settings: float) -> Iterator[State]:
    """`platelane up` on free ports with a fresh state directory, ready for requests; `settings` by name.

    Raises:
        CannotStart: with its own error message.
    """
    with tempfile.TemporaryDirectory(prefix="platelane-benchmark-") as folder:
        directory = Path(folder)
        output = directory / "up.log"
        command = [sys.executable, "-m", "platelane.cli", "up", "--port", "0", "--state-dir", folder, *arguments]
        with output.open("wb") as log:
            environment = os.environ | {f"PLATELANE_{name}".upper(): str(value) for name, value in settings.items()}
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            yield ready(process, directory, output)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def ready(process: subprocess.Popen[bytes], directory: Path, output: Path) -> State:
    """The state of a `platelane up` once it has read a photograph. Raises CannotStart as `running`."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = state.read(directory)
        if found is not None and found.ready:
            return found
        time.sleep(0.1)
    if process.poll() is None:
        raise CannotStart(f"`platelane up` was not ready after {START_SECONDS:.0f} s.")
    raise CannotStart(f"`platelane up` did not start. {reason(output.read_text(errors='replace'))}")


async def under_way(state: State) -> int:
    """Messages that are waiting in the queues of jobs and crops, or being handled.

    Raises:
        EngineUnavailable: NATS does not answer.
    """
    bus = await Bus.connect(Settings(nats_url=state.nats_url), "benchmark")
    try:
        manager = bus.client.jsm(timeout=5)
        infos = [await manager.stream_info(name) for name in (topology.JOBS, topology.CROPS)]
        return sum(info.state.messages for info in infos)
    finally:
        await bus.close()


def reason(printed: str) -> str:
    """Why it did not start, according to its output: the error message, or the last line."""
    _, found, error = printed.rpartition("Error: ")
    lines = (error if found else printed).strip().splitlines() or ["It printed nothing."]
    return lines[0] if found else lines[-1]
