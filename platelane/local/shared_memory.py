"""Cleans up the shared memory of Triton and its model processes, whose names outlive them if Triton is killed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

_FOLDER: Final = Path("/dev/shm")
_YOUNG: Final = 60.0
"""Seconds within which a new name may not have been mapped yet."""


def unlink_mapped_shared_memory(pid: int) -> None:
    """Removes the names of shared memory that a process has mapped, so that it is freed when its last user ends.

    Call it once all processes that share the memory have mapped it; they no longer need the name then.
    """
    try:
        maps = Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return
    for line in maps.splitlines():
        path = line.split(maxsplit=5)[-1]
        if path.startswith("/dev/shm/") and not path.endswith(" (deleted)"):
            Path(path).unlink(missing_ok=True)


def remove(prefix: str) -> None:
    """Removes all names that begin with `prefix`; their processes must have ended."""
    for path in _FOLDER.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


def remove_leftovers(prefix: str) -> None:
    """Removes names that begin with `prefix` and that no process has mapped: those of programs that were killed."""
    names = {str(path) for path in _FOLDER.glob(f"{prefix}*") if _age(path) > _YOUNG}
    for maps in Path("/proc").glob("[0-9]*/maps") if names else ():
        try:
            text = maps.read_text()
        except OSError:  # it has ended meanwhile, or belongs to another user, who has other names
            continue
        names = {name for name in names if name not in text}
    for name in names:
        Path(name).unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
