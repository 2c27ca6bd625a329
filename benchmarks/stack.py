"""A whole Platelane of its own for a measurement: started, used, stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platelane.supervisor import state
from platelane.supervisor.state import State

START_SECONDS = 120.0
STOP_SECONDS = 30.0


@contextmanager
def running(*arguments: str) -> Iterator[State]:
    """`platelane up` on free ports with a fresh state directory, ready for requests.

    Raises:
        RuntimeError: it did not start; what it printed is in the message.
    """
    with tempfile.TemporaryDirectory(prefix="platelane-benchmark-") as folder:
        directory = Path(folder)
        output = directory / "up.log"
        command = [sys.executable, "-m", "platelane.cli", "up", "--port", "0", "--state-dir", folder, *arguments]
        with output.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield _ready(process, directory, output)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def _ready(process: subprocess.Popen[bytes], directory: Path, output: Path) -> State:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        found = state.read(directory)
        if found is not None and found.ready:
            return found
        time.sleep(0.1)
    raise RuntimeError(f"`platelane up` did not become ready:\n{output.read_text(errors='replace')}")
