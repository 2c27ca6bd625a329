from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from platelane.local import shared_memory
from platelane.local.process import Process
from platelane.local.shared_memory import unlink_mapped_shared_memory
from tests.local.conftest import MakeProgram

USER = """
import mmap, sys
with open(sys.argv[1], "w+b") as file:
    file.truncate(4096)
    memory = mmap.mmap(file.fileno(), 4096)
print("mapped", flush=True)
sys.stdin.readline()
memory[:5] = b"still"
print(memory[:5].decode(), flush=True)
"""


def test_a_name_goes_and_the_memory_stays() -> None:
    name = Path(f"/dev/shm/platelane-test-{uuid4()}")
    command = [sys.executable, "-I", "-c", USER, str(name)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdin
        assert user.stdout
        assert user.stdout.readline() == "mapped\n"
        assert name.exists()
        for _ in range(2):  # the second time the name is gone
            unlink_mapped_shared_memory(user.pid)
        assert not name.exists()
        user.stdin.write("\n")
        user.stdin.flush()
        assert user.stdout.readline() == "still\n"
    unlink_mapped_shared_memory(user.pid)  # a process that has ended is no error


@pytest.fixture
def prefix() -> Iterator[str]:
    prefix = f"platelane-test-{uuid4()}-"
    yield prefix
    shared_memory.remove(prefix)


async def test_a_failed_start_leaves_nothing(make_program: MakeProgram, tmp_path: Path, prefix: str) -> None:
    """A program that is killed before it was ready takes its memory along."""
    name = Path(f"/dev/shm/{prefix}a")
    code = f"import time; open({str(name)!r}, 'wb').write(bytes(4096)); time.sleep(60)"
    program = replace(make_program(code=code, start_seconds=5), on_end=lambda: shared_memory.remove(prefix))
    process = Process(program, tmp_path / "program.log")
    await process.start()
    while not name.exists():
        await asyncio.sleep(0.01)
    await process.stop()
    assert not name.exists()


def test_leftovers_are_what_nobody_has_mapped(prefix: str) -> None:
    used, left, young = (Path(f"/dev/shm/{prefix}{name}") for name in ("used", "left", "young"))
    command = [sys.executable, "-I", "-c", USER, str(used)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout
        assert user.stdout.readline() == "mapped\n"
        for path in (left, young):
            path.write_bytes(bytes(4096))
        for path in (used, left):
            os.utime(path, (time.time() - 3_600,) * 2)
        shared_memory.remove_leftovers(prefix)
        assert [path.exists() for path in (used, left, young)] == [True, False, True]
        user.communicate("\n")
