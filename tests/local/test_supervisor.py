from __future__ import annotations

import asyncio
import errno
import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from platelane.errors import CannotStart
from platelane.local import state
from platelane.local.plan import Plan, Program
from platelane.local.process import Process
from platelane.local.supervisor import Supervisor, only_one
from tests.local.conftest import SERVER, MakeProgram


class Events(list[str]):
    """Remembers what the supervisor said."""

    def ready(self, process: Process, seconds: float) -> None:
        assert seconds > 0
        self.append(f"{process.name} ready")

    def died(self, process: Process, how: str, delay: float) -> None:
        self.append(f"{process.name} {how}, again in {delay:.1f}")

    def back(self, process: Process, seconds: float) -> None:
        assert seconds > 0
        self.append(f"{process.name} back")

    def unhealthy(self, process: Process, problem: str) -> None:
        self.append(f"{process.name} unhealthy: {problem}")

    async def wait_for(self, event: str, count: int = 1) -> None:
        async with asyncio.timeout(20):
            while self.count(event) < count:
                await asyncio.sleep(0.02)


def plan(state_dir: Path, *stages: tuple[Program, ...]) -> Plan:
    return Plan(
        starts=stages,
        stops=tuple(tuple(program.name for program in stage) for stage in reversed(stages)),
        url="http://127.0.0.1:1",
        nats_url="nats://127.0.0.1:2",
        triton_url="127.0.0.1:3",
        state_dir=state_dir,
        moved_ports={},
    )


async def test_stages_start_in_order_and_stop_in_reverse(tmp_path: Path, make_program: MakeProgram) -> None:
    order = tmp_path / "order"
    traced = f"""
import atexit, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
def note(text):
    with open({str(order)!r}, "a") as file: print(text, file=file)
atexit.register(note, "stop " + NAME)
note("start " + NAME)
"""
    programs = [make_program(name, f"NAME = {name!r}{traced}{SERVER}") for name in ("one", "two", "three")]
    events = Events()
    supervisor = Supervisor(plan(tmp_path, *((program,) for program in programs)), events)
    await supervisor.start()
    running = state.read(tmp_path)
    assert running is not None
    assert list(running.processes) == ["one", "two", "three"]
    assert not running.ready
    supervisor.mark_ready()
    assert (marked := state.read(tmp_path)) is not None
    assert marked.ready
    await supervisor.stop()
    assert events == ["one ready", "two ready", "three ready"]
    assert order.read_text().split("\n") == [
        *("start one", "start two", "start three", "stop three", "stop two", "stop one", "")
    ]
    assert state.read(tmp_path) is None


async def test_a_program_that_dies_is_started_again_after_a_growing_delay(
    tmp_path: Path, make_program: MakeProgram
) -> None:
    events = Events()
    supervisor = Supervisor(plan(tmp_path, (make_program(),)), events)
    await supervisor.start()
    try:
        for count in (1, 2):
            running = state.read(tmp_path)
            assert running is not None
            pid = running.processes["server"].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await events.wait_for("server back", count)
    finally:
        await supervisor.stop()
    assert events == [
        "server ready",
        "server was ended by SIGKILL, again in 0.2",
        "server back",
        "server was ended by SIGKILL, again in 0.4",
        "server back",
    ]


async def test_a_program_that_ends_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_program: MakeProgram
) -> None:
    monkeypatch.setattr("platelane.local.supervisor._FIRST_DELAY", 0.001)
    once = tmp_path / "once"
    code = f"""
import pathlib
if pathlib.Path({str(once)!r}).exists(): raise SystemExit("no such model")
pathlib.Path({str(once)!r}).touch()
{SERVER}"""
    events = Events()
    supervisor = Supervisor(plan(tmp_path, (make_program(code=code),)), events)
    await supervisor.start()
    try:
        running = state.read(tmp_path)
        assert running is not None
        pid = running.processes["server"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(30):
            with pytest.raises(CannotStart, match=r"(?s)exit code 1.*no such model.*8 times in a row.*server\.log$"):
                await supervisor.failed()
    finally:
        await supervisor.stop()
    assert len(events) == 9  # it was ready, was killed, and ended seven times that were told before the last


async def test_a_program_that_others_kill_is_never_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_program: MakeProgram
) -> None:
    monkeypatch.setattr("platelane.local.supervisor._FIRST_DELAY", 0.001)
    events = Events()
    supervisor = Supervisor(plan(tmp_path, (make_program(),)), events)
    await supervisor.start()
    try:
        for count in range(1, 10):
            running = state.read(tmp_path)
            assert running is not None
            pid = running.processes["server"].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await events.wait_for("server back", count)
    finally:
        await supervisor.stop()


async def test_a_program_that_cannot_work_is_left_alone_while_a_restart_does_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_program: MakeProgram
) -> None:
    monkeypatch.setattr("platelane.local.supervisor._WATCH_SECONDS", 0.05)
    full = tmp_path / "full"
    code = SERVER.replace(
        "self.send_response(200)",
        f"import pathlib; self.send_response(503 if pathlib.Path({str(full)!r}).exists() else 200)",
    )
    program = replace(make_program(code=code), restart_helps=lambda: not full.exists())
    events = Events()
    supervisor = Supervisor(plan(tmp_path, (program,)), events)
    await supervisor.start()
    try:
        full.touch()
        await events.wait_for("server unhealthy: status 503")
        assert "server back" not in events
    finally:
        await supervisor.stop()


class FullDisk(Events):
    """Cannot say that a program died or is back."""

    def died(self, process: Process, how: str, delay: float) -> None:
        super().died(process, how, delay)
        raise OSError(errno.ENOSPC, "No space left on device")

    def back(self, process: Process, seconds: float) -> None:
        super().back(process, seconds)
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_programs_are_kept_where_nobody_can_be_told(tmp_path: Path, make_program: MakeProgram) -> None:
    asked = tmp_path / "asked"
    code = f"""
import pathlib, signal, sys
def finish(*_):
    pathlib.Path({str(asked)!r}).touch()
    sys.exit()
signal.signal(signal.SIGTERM, finish)
{SERVER}"""
    events = FullDisk()
    supervisor = Supervisor(plan(tmp_path, (make_program(code=code),)), events)
    await supervisor.start()
    try:
        running = state.read(tmp_path)
        assert running is not None
        pid = running.processes["server"].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await events.wait_for("server back")
    finally:
        await supervisor.stop()
    assert events == ["server ready", "server was ended by SIGKILL, again in 0.2", "server back"]
    assert asked.exists(), "what came back was killed before it was asked to stop"


async def test_a_start_that_fails_leaves_nothing_behind(tmp_path: Path, make_program: MakeProgram) -> None:
    before = set(psutil.Process().children(recursive=True))
    broken = make_program("broken", "raise SystemExit('no such model')")
    supervisor = Supervisor(plan(tmp_path, (make_program(),), (make_program("other"), broken)), Events())
    with pytest.raises(CannotStart, match=r"(?s)broken ended with exit code 1.*no such model"):
        await supervisor.start()
    await supervisor.stop()
    assert set(psutil.Process().children(recursive=True)) == before


async def test_a_program_that_crashes_as_it_starts_is_started_again(tmp_path: Path, make_program: MakeProgram) -> None:
    """As Triton may do on a busy machine. One that crashes each time fails the start."""
    crashed = tmp_path / "crashed"
    once = f"import os, pathlib\nif not os.path.exists({str(crashed)!r}):\n    pathlib.Path({str(crashed)!r}).touch()\n"
    events = Events()
    supervisor = Supervisor(plan(tmp_path, (make_program(code=f"{once}    os.abort()\n{SERVER}"),)), events)
    await supervisor.start()
    await supervisor.stop()
    assert events == ["server was ended by SIGABRT, again in 0.2", "server ready"]

    supervisor = Supervisor(plan(tmp_path, (make_program(code="import os; os.abort()"),)), Events())
    with pytest.raises(CannotStart, match="SIGABRT"):
        await supervisor.start()
    await supervisor.stop()


async def test_a_stop_can_be_cut_short(tmp_path: Path, make_program: MakeProgram) -> None:
    deaf = make_program(code="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER, stop_seconds=30)
    supervisor = Supervisor(plan(tmp_path, (deaf,)), Events())
    await supervisor.start()
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    supervisor.kill()
    await asyncio.wait_for(stopping, 5)


async def test_the_log_of_the_run_before_is_kept(tmp_path: Path, make_program: MakeProgram) -> None:
    for _ in range(2):
        supervisor = Supervisor(plan(tmp_path, (make_program(),)), Events())
        await supervisor.start()
        await supervisor.stop()
    assert sorted(log.name for log in (tmp_path / "logs").iterdir()) == ["server.log", "server.previous.log"]


def test_a_state_directory_serves_one_supervisor(tmp_path: Path) -> None:
    with only_one(tmp_path / "new"), pytest.raises(CannotStart, match="already runs with"), only_one(tmp_path / "new"):
        pass
    with only_one(tmp_path / "new"):
        pass


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="--state-dir"), only_one(tmp_path / "file" / "below"):
        pass
