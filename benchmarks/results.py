"""RESULTS.md: one section a program, replaced by each run of it."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("RESULTS.md")
_TITLE: Final = "# Measured\n\nWritten by `python -m benchmarks`; each section by the program that it names.\n"


def record(name: str, text: str) -> None:
    """Put `text` (Markdown) under the heading `name`, in place of what stood there."""
    section = f"## {name}\n\n{_where()}\n\n{text.strip()}\n"
    old = FILE.read_text(encoding="utf-8") if FILE.exists() else _TITLE
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    new = pattern.sub(lambda _: section + "\n", old) if pattern.search(old) else f"{old.rstrip()}\n\n{section}"
    FILE.write_text(new.rstrip() + "\n", encoding="utf-8")


def section(name: str) -> str:
    """What stands under the heading `name`; empty where there is none."""
    text = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    found = re.search(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def spread(milliseconds: Sequence[float]) -> str:
    """Median with the 5th and 95th percentile, in milliseconds."""
    cuts = statistics.quantiles(milliseconds, n=20)
    return f"{statistics.median(milliseconds):.1f} ({cuts[0]:.1f} to {cuts[-1]:.1f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def _where() -> str:
    cores = len(os.sched_getaffinity(0))
    model = next(
        (line.split(":", 1)[1].strip() for line in _cpu_lines() if line.startswith("model name")), platform.machine()
    )
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores of {model}, Python {platform.python_version()}."


def _cpu_lines() -> list[str]:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
