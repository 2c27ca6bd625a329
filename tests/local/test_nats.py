"""How nats-server is started on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platelane.local.nats import nats_program, processors


@pytest.mark.parametrize(("count", "used"), [(1, 1), (2, 1), (7, 1), (8, 2), (64, 16)])
def test_nats_leaves_most_processors_to_the_models(count: int, used: int) -> None:
    assert processors(count) == used


def test_nats_is_started_with_them(tmp_path: Path) -> None:
    program = nats_program("nats://platelane:secret@127.0.0.1:1", 2, tmp_path)
    assert program.environment == {"GOMAXPROCS": str(processors(os.cpu_count() or 1))}
