from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from platelane.errors import CannotStart
from platelane.local.plan import Program
from platelane.local.process import Process
from tests.local.conftest import SERVER, MakeProgram
from tests.processes import gone

Start = Callable[[Program], Process]


async def test_a_program_is_started_awaited_and_stopped(
    make_program: MakeProgram, start: Start, client: httpx.AsyncClient
) -> None:
    process = start(make_program())
    await process.start()
    seconds = await process.ready(client)
    pid = process.pid
    assert 0 < seconds < 10
    assert pid is not None
    assert psutil.pid_exists(pid)
    assert "listening" in process.log.read_text()
    await process.stop()
    assert process.pid is None
    assert not psutil.pid_exists(pid)
    assert await process.ended() == "was ended by SIGTERM"


async def test_a_program_that_ends_says_why(make_program: MakeProgram, start: Start, client: httpx.AsyncClient) -> None:
    process = start(make_program(code="import sys; print('the disk is full', flush=True); sys.exit(3)"))
    await process.start()
    with pytest.raises(CannotStart, match=r"(?s)server ended with exit code 3.*the disk is full"):
        await process.ready(client)


async def test_a_program_that_is_never_ready_is_not_waited_for_for_ever(
    make_program: MakeProgram, start: Start, client: httpx.AsyncClient
) -> None:
    process = start(make_program(code="import time; time.sleep(60)", start_seconds=0.3))
    await process.start()
    with pytest.raises(CannotStart, match="server is not ready after 0 s"):
        await process.ready(client)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    program = Program("ghost", ("/no/such/program",), {}, "http://127.0.0.1:9/")
    with pytest.raises(CannotStart, match=r"ghost cannot be started: .*No such file"):
        await Process(program, tmp_path / "ghost.log").start()


async def test_a_program_that_ignores_the_signal_is_killed(
    make_program: MakeProgram, start: Start, client: httpx.AsyncClient
) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
    process = start(make_program(code=deaf, stop_seconds=0.3))
    await process.start()
    await process.ready(client)
    started = time.monotonic()
    await process.stop()
    assert 0.2 < time.monotonic() - started < 20
    assert await process.ended() == "was ended by SIGKILL"


async def test_what_a_program_has_started_goes_with_it(
    make_program: MakeProgram, start: Start, client: httpx.AsyncClient
) -> None:
    parent = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n" + SERVER
    )
    process = start(make_program(code=parent))
    await process.start()
    await process.ready(client)
    (grandchild,) = psutil.Process(process.pid).children()
    await process.stop()
    assert gone([grandchild], seconds=5)


async def test_the_log_tail_starts_at_the_latest_start(make_program: MakeProgram, start: Start) -> None:
    process = start(make_program(code="import os; print('pid', os.getpid())"))
    for _ in range(2):
        await process.start()
        await process.ended()
    assert process.log.read_text().count("pid") == 2
    assert process.log_tail().count("pid") == 1


async def test_a_log_that_was_removed(make_program: MakeProgram, start: Start) -> None:
    process = start(make_program(code=""))
    await process.start()
    await process.ended()
    process.log.unlink()
    assert process.log_tail() == "  | (its log is gone)"


_SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from platelane.local.plan import Program
from platelane.local.process import Process

async def main():
    program = Program("sleeper", (sys.executable, "-I", "-c", "import time; time.sleep(60)"), {}, "http://127.0.0.1:9/")
    process = Process(program, Path(sys.argv[1]))
    await process.start()
    print(process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_no_program_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SUPERVISOR, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        child = psutil.Process(int(await asyncio.to_thread(supervisor.stdout.readline)))
        supervisor.kill()
    assert gone([child], seconds=5)
