"""A temporary PostgreSQL server, from the programs of this machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import free_port

_USER = "postgres"


def programs() -> Path | None:
    """The folder of the newest version's programs, where there is one that can be run."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    folder = found[-1].parent if found else Path(on_path).parent if on_path else None
    return folder if folder and (os.getuid() != 0 or _owner()) else None


def _owner() -> dict[str, Any]:
    """As whom to run it: it refuses to run as root."""
    if os.getuid() != 0:
        return {}
    with contextlib.suppress(KeyError):
        return {"user": pwd.getpwnam(_USER).pw_uid, "group": pwd.getpwnam(_USER).pw_gid, "extra_groups": []}
    return {}


@contextlib.contextmanager
def running_postgres() -> Iterator[str]:
    """The address of an empty database, for as long as the block lasts."""
    folder = programs()
    assert folder is not None
    owner = _owner()
    with tempfile.TemporaryDirectory(prefix="platelane-postgres-", dir="/tmp") as path:
        if owner:
            os.chown(path, owner["user"], owner["group"])
        data, port = f"{path}/data", free_port()
        quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": path, **owner}
        subprocess.run([folder / "initdb", "-D", data, "-A", "trust", "-U", "platelane", "-E", "UTF8", "-N"], **quiet)
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {path} -c fsync=off"
        control = [f"{folder}/pg_ctl", "-D", data, "-w", "-t", "60"]
        subprocess.run([*control, "-l", f"{path}/log", "-o", options, "start"], **quiet)
        try:
            yield f"postgresql://platelane@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)
