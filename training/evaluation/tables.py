"""Markdown tables of figures."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Final

from training.evaluation import figures

END: Final = "<!-- measured: end -->"


def write(path: Path, text: str, program: str) -> None:
    """Replace the text between the marks that name the program.

    Raises:
        ValueError: the document does not have them.
    """
    document = path.read_text(encoding="utf-8")
    begin = f"<!-- measured by `python -m training.{program}`: begin -->"
    before, found, rest = document.partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"{path} has no marks for training.{program}")
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{END}{after}", encoding="utf-8")


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def accuracy_row(name: str, pairs: Sequence[tuple[Hashable, Sequence[Hashable]]]) -> list[str]:
    """Name, count, top 1, top 3; `pairs` as `figures.accuracy` takes them."""
    count, first = figures.accuracy(pairs)
    return [name, str(count), percent(first), percent(figures.accuracy(pairs, 3)[1])]


def bin_rows(scored: Sequence[tuple[float, bool]], edges: Sequence[float]) -> list[list[str]]:
    """Score from and to, count, mean score, share that was right."""
    return [
        [f"{entry.low:g} to {entry.high:g}", str(entry.count), f"{entry.mean:.2f}", percent(entry.right)]
        for entry in figures.reliability(scored, edges)
    ]
