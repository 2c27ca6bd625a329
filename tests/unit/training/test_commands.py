"""Every training program has --help that reads no data, and ends in one line if something is missing."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

PROGRAMS = (
    "aligner",
    "attributes",
    "calibration.quantize",
    "calibration.score_fit",
    "calibration.template_fit",
    "detector",
    "evaluation",
    "evaluation.detectors",
    "evaluation.guidance",
    "evaluation.readers",
    "reader",
)


def start(monkeypatch: pytest.MonkeyPatch, program: str, *arguments: str) -> None:
    """As `python -m training.PROGRAM`."""
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    # not imported already, or runpy warns
    monkeypatch.delitem(sys.modules, f"training.{program}" + ("" if "." in program else ".__main__"), raising=False)
    runpy.run_module(f"training.{program}", run_name="__main__")


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_says_what_a_program_is_for_and_what_each_option_does(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(monkeypatch, program, "--help")
    assert ended.value.code == 0
    usage, description, *_, options = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"usage: python -m training.{program} ")
    assert description
    lines = options.splitlines()
    flags = [(line, after) for line, after in zip(lines, [*lines[1:], ""], strict=True) if line.startswith("  -")]
    assert flags
    for line, after in flags:
        assert line[24:].strip() or after.startswith(" " * 24), f"nothing explains {line.strip()}"


@pytest.mark.parametrize("program", ["aligner", "attributes", "calibration.template_fit", "detector", "reader"])
def test_a_folder_without_data_is_said_in_one_line(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=r"error: \S+\.csv is missing; training/README\.md lists") as ended:
        start(monkeypatch, program, "--data", str(tmp_path))
    assert "\n" not in str(ended.value)
