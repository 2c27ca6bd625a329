"""The state file, in which a running `platelane up` describes itself to other programs."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FILE_NAME = "up.json"


class ProcessState(BaseModel):
    """One process of the running system; `pid` is None while it is being started again."""

    model_config = ConfigDict(frozen=True)

    pid: int | None
    log: Path
    ready_url: str


class State(BaseModel):
    """Addresses and process ids of a running system; it is `ready` once a photo has been read end to end."""

    model_config = ConfigDict(frozen=True)

    pid: int
    url: str
    grpc_address: str = ""
    nats_url: str
    triton_url: str
    logs: Path
    ready: bool = False
    processes: dict[str, ProcessState] = {}
    fork_server: int | None = None
    """Process id of the fork server."""


def write(state_dir: Path, state: State) -> None:
    """Replaces the state file. Its NATS address contains the password."""
    write_private(state_dir / FILE_NAME, state.model_dump_json(indent=2) + "\n")


def write_private(path: Path, content: str) -> None:
    """Replaces a file atomically, readable only by its owner."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(content)
    draft.replace(path)


def forget(state_dir: Path) -> None:
    (state_dir / FILE_NAME).unlink(missing_ok=True)


def read(state_dir: Path) -> State | None:
    """The state of the system running with this directory; None if there is none."""
    try:
        state = State.model_validate_json((state_dir / FILE_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return state if _alive(state.pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, but belongs to another user
        return True
    return True
