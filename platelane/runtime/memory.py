"""Tunes how a service uses memory, and finds out how much it may use.

The memory of one picture is kept for the next, and the garbage collector skips long-lived objects. The limit is that of
the container (cgroup version 1 or 2), or else the machine's memory.
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
"""Bytes of freed memory that a service keeps for later use."""
_LARGEST_KEPT: Final = 16 << 20
"""A decoded picture of five million pixels; larger blocks go back to the system at once."""

_UNLIMITED: Final = 1 << 60
"""Cgroup version 1 reports a value above this if there is no limit."""


def keep() -> None:
    """Make glibc keep freed memory, up to a limit, and Python's garbage collector skip all existing objects.

    By default, glibc returns the memory of a decoded picture and requests it again for the next, page by page, which
    takes a fifth of the detector's time. Call this once everything is imported, and before threads are started.
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
    """The lowest memory limit, in bytes, of the cgroups that this process is in; None if there is none.

    `root` is the root of the file system.
    """
    return min(_limits(root), default=None)


def _limits(root: Path) -> Iterator[int]:
    """Limits of the process's cgroup and its ancestors; within a container, its own cgroup is the root of the tree."""
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
