"""RESULTS.md: one section per program, replaced by each of its runs."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import reference

FILE: Final = Path(__file__).with_name("RESULTS.md")
_WRITTEN: Final = (":!benchmarks/RESULTS.md", ":!benchmarks/*.svg")
"""Files written by the programs, as pathspecs that git excludes."""
_REFERENCES: Final = 20
_TITLE: Final = "# Measured\n\nWritten by `python -m benchmarks`; each section by the program that it names.\n"


def record(name: str, text: str) -> None:
    """Replace the text (Markdown) under the heading `name`."""
    section = f"## {name}\n\n{_where()}\n\n{text.strip()}\n"
    old = FILE.read_text(encoding="utf-8") if FILE.exists() else _TITLE
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    new = pattern.sub(lambda _: section + "\n", old) if pattern.search(old) else f"{old.rstrip()}\n\n{section}"
    FILE.write_text(new.rstrip() + "\n", encoding="utf-8")


def section(name: str) -> str:
    """The text under the heading `name`; empty if there is none."""
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def spread(milliseconds: Sequence[float]) -> str:
    """Median with the 5th and 95th percentile, in milliseconds."""
    cuts = statistics.quantiles(milliseconds, n=20)
    return f"{statistics.median(milliseconds):.1f} ({cuts[0]:.1f} to {cuts[-1]:.1f})"


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share (0 to 1) of the values does not exceed; None if there are none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def _where() -> str:
    cores = len(os.sched_getaffinity(0))
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.machine()
    )
    beside = [reference.milliseconds() for _ in range(_REFERENCES)]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {_commit()}, {cores} cores of {model}, Python {platform.python_version()}; "
        f"the reference, {reference.WHAT}, takes {spread(beside)} ms here."
    )


def _commit() -> str:
    """The version or commit that was measured."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
        changes = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *_WRITTEN)
    except (OSError, subprocess.CalledProcessError):
        return f"version {version('platelane')}"
    return f"commit {name} with changes" if changes else f"commit {name}"


def _git(*arguments: str) -> str:
    command = ("git", *arguments)
    return subprocess.run(command, cwd=FILE.parent.parent, capture_output=True, text=True, check=True).stdout.strip()


def _cpu_lines() -> list[str]:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
