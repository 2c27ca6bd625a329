"""Triton and the processes of its models share memory under names that outlive them when Triton is killed."""

from __future__ import annotations

from pathlib import Path


def free_shared_memory_with_its_users(pid: int) -> None:
    """Takes away the names of the shared memory that a process has mapped, so that it goes with the last process.

    To be called once all who share it have mapped it; they hold it by its descriptors from then on.
    """
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return
    for line in maps.splitlines():
        path = line.split(maxsplit=5)[-1]
        if path.startswith("/dev/shm/") and not path.endswith(" (deleted)"):
            Path(path).unlink(missing_ok=True)
