"""Unix sockets in a folder that other users of the machine cannot access."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from pathlib import Path
from typing import Final

from platelane.errors import CannotStart

_NEW: Final = 60.0
"""Seconds within which a program may not be listening yet on a new socket."""


def folder() -> Path:
    """This user's folder for sockets. Its name is short, since the address of a socket has at most 107 bytes.

    Raises:
        CannotStart: as `private`.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    within = Path(runtime) if runtime.startswith("/run/user/") and os.access(runtime, os.W_OK) else Path("/tmp")
    return private(within / f"platelane-{os.getuid()}")


def private(path: Path) -> Path:
    """A folder that only this user can access, created if it is missing.

    Raises:
        CannotStart: the existing folder is accessible to others.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise CannotStart(f"{path}, where sockets are kept, cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise CannotStart(f"{path}, where sockets are kept, is not a folder that only this user can access. Remove it.")
    return path


def remove_leftovers(within: Path) -> None:
    """Remove sockets of programs that were killed: no process listens on them, and they are not new."""
    for path in within.iterdir():
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if not path.is_socket() or time.time() - path.stat().st_mtime < _NEW:
                continue
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
