"""The real system for the end-to-end tests: `platelane up`, on its own ports and in its own directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from platelane.errors import CannotStart
from platelane.local import state
from platelane.local.state import State
from platelane.local.triton_environment import environment_folder, find_environment
from tests.support import free_port

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "gate.jpg"
START_SECONDS = 120.0  # a machine that runs other things as well
STOP_SECONDS = 30.0
DEADLINE = 18.0
"""Of `stack`: longer than usual, for a machine that starts a killed service slowly; shorter than callers wait."""


@dataclass(frozen=True)
class Stack:
    """A running `platelane up`."""

    supervisor: subprocess.Popen[bytes]
    state_dir: Path
    output: Path

    @property
    def state(self) -> State:
        """What the state file says now."""
        running = state.read(self.state_dir)
        assert running is not None, f"the system is not running:\n{self.said}"
        return running

    @property
    def base_url(self) -> str:
        return self.state.url

    @property
    def nats_url(self) -> str:
        return self.state.nats_url

    @property
    def triton_url(self) -> str:
        return self.state.triton_url

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors="replace")

    @property
    def names(self) -> list[str]:
        """Of all supervised processes."""
        return list(self.state.processes)

    def pid(self, name: str) -> int:
        """Of a process that runs; waits for one that is being started again."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            pid = self.state.processes[name].pid
            if pid is not None and psutil.pid_exists(pid):
                return pid
            time.sleep(0.02)
        raise AssertionError(f"{name} was not started again:\n{self.said}")

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to a process; its process id."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def wait_until_ready(self, name: str, other_than: int = 0) -> int:
        """Waits until a process, other than the one with that id, says that it is ready; its process id."""
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(trust_env=False, timeout=2.0) as client:
            while time.monotonic() < deadline:
                process = self.state.processes[name]
                if process.pid not in (None, other_than):
                    try:
                        if client.get(process.ready_url).status_code == 200:
                            return self.pid(name)
                    except httpx.TransportError:
                        pass
                time.sleep(0.05)
        raise AssertionError(f"{name} was not ready after {START_SECONDS:.0f} s:\n{self.said}")

    def wait_until_all_ready(self) -> None:
        for name in self.names:
            self.wait_until_ready(name)

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything below it."""
        supervisor = psutil.Process(self.supervisor.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends a signal to the supervisor and waits for its end; the exit code."""
        self.supervisor.send_signal(number)
        return self.supervisor.wait(STOP_SECONDS)


@contextmanager
def running_stack(
    folder: Path,
    *options: str,
    settings: Mapping[str, str] | None = None,
    ready: bool = True,
    command: Sequence[str] = (sys.executable, "-m", "platelane.cli"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stack]:
    """Runs `platelane up` with `settings` as its environment (without the prefix), on free ports unless said.

    `command` is the `platelane` to run, in `folder`; `environment` is added to its environment as it stands.

    Skips the test, with the reason, where the system cannot run.
    """
    try:
        find_environment(environment_folder(folder / "state"))
    except CannotStart as error:
        pytest.skip(error.detail)
    output = folder / "output.txt"
    free_ports = {"PORT": "0", "NATS_URL": "nats://127.0.0.1:0", "TRITON_URL": "127.0.0.1:0"}
    free_ports["GRPC_PORT"] = str(free_port())  # 0 would turn it off
    given = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PLATELANE_") or name == "PLATELANE_MODEL_REPOSITORY"  # other models may be tried
    }
    chosen = {f"PLATELANE_{name}": value for name, value in (free_ports | dict(settings or {})).items()}
    with output.open("wb") as written:
        supervisor = subprocess.Popen(
            [*command, "up", "--state-dir", str(folder / "state"), *options],
            cwd=folder,
            env=given | chosen | dict(environment or {}),
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack = Stack(supervisor, folder / "state", output)
    try:
        if ready:
            _wait_for_first_photo(stack)
        yield stack
    finally:
        if supervisor.poll() is None:
            try:
                stack.stop()
            except subprocess.TimeoutExpired:
                supervisor.kill()
                supervisor.wait()


def _wait_for_first_photo(stack: Stack) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert stack.supervisor.poll() is None, f"`platelane up` has ended:\n{stack.said}"
        running = state.read(stack.state_dir)
        # it is ready a moment before it says so, and tests read what it says
        if running and running.ready and "Platelane is ready after" in stack.said:
            return
        time.sleep(0.05)
    raise AssertionError(f"`platelane up` was not ready after {START_SECONDS:.0f} s:\n{stack.said}")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One running system for all end-to-end tests."""
    with running_stack(tmp_path_factory.mktemp("stack"), settings={"DEADLINE": str(DEADLINE)}) as stack:
        yield stack


@pytest.fixture(scope="session")
def photo() -> Path:
    """A photograph with a plate and a vehicle."""
    return SAMPLE
