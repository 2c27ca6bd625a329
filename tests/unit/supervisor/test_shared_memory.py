from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from platelane.supervisor.shared_memory import free_shared_memory_with_its_users

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
            free_shared_memory_with_its_users(user.pid)
        assert not name.exists()
        user.stdin.write("\n")
        user.stdin.flush()
        assert user.stdout.readline() == "still\n"
    free_shared_memory_with_its_users(user.pid)  # a process that has ended is no error
