"""How a service handles memory: what one picture took is there for the next, and what lives for ever is left alone.

And how much of it there is: the limit of the container (cgroup, of either version), or the machine's.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
KEPT: Final = 64 << 20
"""Freed memory that a service keeps for what comes next, bytes."""
_LARGEST_KEPT: Final = 16 << 20
"""A picture of five million pixels, decoded; larger ones go back to the system at once."""

_UNLIMITED: Final = 1 << 60
"""What version 1 says where there is no limit is above this."""


def keep() -> None:
    """Have glibc keep freed memory, up to a limit, and Python's collector skip all that is there now.

    By its own rule glibc gives back what a decoded picture took, and takes it anew for the next, page by page: a fifth
    of the detector's time. To be called once everything is imported and before threads are started.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, KEPT)
        mallopt(_M_ARENA_MAX, 2)
    gc.collect()
    gc.freeze()


def budget(root: Path = Path("/")) -> int:
    """Bytes of pictures that a process may hold: two fifths of its container's limit, or an eighth of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = cgroup_limit(root)
    return machine // 8 if limit is None else min(2 * limit // 5, machine // 8)


def cgroup_limit(root: Path = Path("/")) -> int | None:
    """The least memory limit, in bytes, of the cgroups that this process is in; None where there is none.

    `root` is where the system's files are.
    """
    return min(_limits(root), default=None)


def _limits(root: Path) -> Iterator[int]:
    """Limits of the process's cgroup and of those around it; within a container these are seen as the whole tree."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0" and not controllers:
            tree, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            tree, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        group = tree / path.lstrip("/")
        for folder in (group, *group.parents):
            limit = _text(folder / name).strip() if folder.is_relative_to(tree) else ""
            if limit.isdigit() and int(limit) < _UNLIMITED:
                yield int(limit)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
