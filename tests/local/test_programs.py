"""How the programs of a local Platelane are started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from platelane.local.programs import nats_processors, nats_program


@pytest.mark.parametrize(("count", "used"), [(1, 1), (2, 1), (7, 1), (8, 2), (64, 16)])
def test_nats_leaves_most_processors_to_the_models(count: int, used: int) -> None:
    assert nats_processors(count) == used


def test_nats_is_started_with_them(tmp_path: Path) -> None:
    program = nats_program("nats://platelane:secret@127.0.0.1:1", 2, tmp_path)
    assert program.environment == {"GOMAXPROCS": str(nats_processors(os.cpu_count() or 1))}
