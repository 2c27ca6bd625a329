from __future__ import annotations

import os
from pathlib import Path

import pytest

from platelane.local import state
from platelane.local.state import ProcessState, State

STATE = State(
    pid=os.getpid(),
    url="http://127.0.0.1:8080",
    nats_url="nats://127.0.0.1:4222",
    triton_url="127.0.0.1:8001",
    logs=Path("logs"),
    processes={"ocr": ProcessState(pid=None, log=Path("logs/ocr.log"), ready_url="http://127.0.0.1:1/readyz")},
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state.write(tmp_path, STATE)
    assert state.read(tmp_path) == STATE
    state.forget(tmp_path)
    assert state.read(tmp_path) is None


def test_a_dead_supervisor_does_not_run(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    state.write(tmp_path, STATE.model_copy(update={"pid": pid}))
    assert state.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}'])
def test_a_broken_file_is_no_state(tmp_path: Path, content: str) -> None:
    (tmp_path / state.FILE_NAME).write_text(content)
    assert state.read(tmp_path) is None
