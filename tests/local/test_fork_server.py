from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from platelane.errors import CannotStart
from platelane.local.fork_server import ForkedChild, ForkServer, Order

Fork = Callable[..., Awaitable[ForkedChild]]

SERVICE = """
import os, signal, sys
print(os.environ["GREETING"], os.environ["HERITAGE"], __name__, len(sys.argv), flush=True)
print("to the standard error", file=sys.stderr, flush=True)
match os.environ["END"]:
    case "wait":
        signal.pause()
    case "raise":
        raise ValueError("what was wrong")
    case code:
        sys.exit(int(code))
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the fork server finds a package `greeter`."""
    folder = tmp_path / "packages"
    (folder / "greeter").mkdir(parents=True)
    (folder / "greeter" / "__init__.py").touch()
    (folder / "greeter" / "__main__.py").write_text(
        f"if __name__ == '__main__':\n{SERVICE.replace(chr(10), chr(10) + ' ')}"
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("HERITAGE", "inherited")
    return folder


@pytest.fixture
async def server(packages: Path, tmp_path: Path) -> AsyncIterator[ForkServer]:  # noqa: ARG001  made for it to find
    server = ForkServer(["greeter"], tmp_path / "fork-server.log")
    yield server
    await server.stop()


@pytest.fixture
def fork(server: ForkServer, tmp_path: Path) -> Fork:
    async def forked(name: str = "greeter", end: str = "wait") -> ForkedChild:
        with (tmp_path / f"{name}.log").open("ab") as log:
            return await server.fork(Order(name, "greeter", {"GREETING": f"hello {name}", "END": end}), log)

    return forked


async def test_a_service_has_its_environment_log_session_and_name(fork: Fork, tmp_path: Path) -> None:
    child = await fork()
    assert child.returncode is None
    process = psutil.Process(child.pid)
    assert os.getsid(child.pid) == child.pid
    log = tmp_path / "greeter.log"
    while "standard error" not in log.read_text():
        await asyncio.sleep(0.01)
    child.terminate()
    assert await child.wait() == child.returncode == -signal.SIGTERM
    assert not process.is_running()
    assert log.read_text().splitlines() == ["hello greeter inherited __main__ 1", "to the standard error"]


@pytest.mark.parametrize(("end", "code"), [("0", 0), ("7", 7), ("raise", 1)])
async def test_the_exit_code_is_the_services(fork: Fork, end: str, code: int, tmp_path: Path) -> None:
    child = await fork(end=end)
    assert await child.wait() == code
    assert ("ValueError: what was wrong" in (tmp_path / "greeter.log").read_text()) == (end == "raise")


async def test_one_process_forks_them_all_and_they_end_with_it(server: ForkServer, fork: Fork) -> None:
    one, other = await fork("one"), await fork("other")
    pid = server.pid
    assert pid is not None
    assert {psutil.Process(child.pid).ppid() for child in (one, other)} == {pid}
    assert psutil.Process(one.pid).cmdline()[0] == "platelane: one"
    os.kill(pid, signal.SIGKILL)
    assert [await one.wait(), await other.wait()] == [-signal.SIGKILL] * 2
    again = await fork("again")
    assert again.returncode is None
    assert server.pid not in (None, pid)
    await server.stop()
    assert await again.wait() == -signal.SIGKILL
    assert server.pid is None


async def test_a_fork_server_that_cannot_import_says_where_to_look(packages: Path, fork: Fork, tmp_path: Path) -> None:
    (packages / "greeter" / "__main__.py").write_text("import nothing_of_this_name")
    with pytest.raises(CannotStart, match=r"The fork server ended; its log is .*fork-server\.log"):
        await fork()
    assert "No module named 'nothing_of_this_name'" in (tmp_path / "fork-server.log").read_text()


async def test_the_end_of_one_service_is_not_taken_for_another(fork: Fork) -> None:
    first = await fork("first", end="3")
    children = [await fork(str(number)) for number in range(8)]
    assert await first.wait() == 3
    assert [child.returncode for child in children] == [None] * 8
    assert len({child.pid for child in (first, *children)}) == 9


async def test_a_fork_server_that_hangs_is_given_up_and_the_next_one_works(packages: Path, tmp_path: Path) -> None:
    main = packages / "greeter" / "__main__.py"
    working = main.read_text()
    main.write_text("import time\ntime.sleep(600)\n")
    server = ForkServer(["greeter"], tmp_path / "fork-server.log", patience=0.3)
    order = Order("greeter", "greeter", {"GREETING": "hello", "END": "wait"})
    with (tmp_path / "greeter.log").open("ab") as log:
        with pytest.raises(CannotStart, match=r"did not start the service within 0 s; its log is .*fork-server\.log"):
            await server.fork(order, log)
        assert server.pid is None
        main.write_text(working)
        server = ForkServer(["greeter"], tmp_path / "fork-server.log")
        assert (await server.fork(order, log)).returncode is None
    await server.stop()


async def test_an_order_that_is_too_long_is_an_error(fork: Fork, server: ForkServer, tmp_path: Path) -> None:
    await fork()
    endless = Order("greeter", "greeter", {"GREETING": "x" * 50_000_000, "END": "wait"})
    with (tmp_path / "greeter.log").open("ab") as log, pytest.raises(OSError, match="Message too long"):
        await server.fork(endless, log)
