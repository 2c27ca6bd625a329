from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from platelane import resources
from platelane.cli import learn
from platelane.errors import CannotStart


def test_where_pytorch_is_missing_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(learn, "find_spec", lambda name: None if name == "torch" else object())
    monkeypatch.setattr(resources, "ROOT", tmp_path)
    monkeypatch.setattr(resources, "IN_CHECKOUT", True)
    with pytest.raises(CannotStart, match=r"needs PyTorch, which is not installed here \(torch\): `make learn"):
        learn.learn({}, Console(file=io.StringIO()))
    monkeypatch.setattr(resources, "IN_CHECKOUT", False)
    with pytest.raises(CannotStart, match=r"pip install 'platelane\[learn\]'"):
        learn.learn({}, Console(file=io.StringIO()))


def test_a_checkout_runs_it_in_the_environment_that_has_pytorch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[tuple[Path, list[str]]] = []

    def execv(program: Path, arguments: list[str]) -> None:
        started.append((program, arguments))
        raise SystemExit

    monkeypatch.setattr(learn, "find_spec", lambda _: None)
    monkeypatch.setattr(resources, "ROOT", tmp_path)
    monkeypatch.setattr(resources, "IN_CHECKOUT", True)
    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "argv", ["platelane", "learn", "my plates"])
    (tmp_path / ".venv-train").mkdir()
    (tmp_path / ".venv-train" / ".ready").touch()
    with pytest.raises(SystemExit):
        learn.learn({}, Console(file=io.StringIO()))
    program = tmp_path / ".venv-train" / "bin" / "platelane"
    assert started == [(program, [str(program), "learn", "my plates"])]
