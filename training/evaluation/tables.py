"""Markdown tables of figures."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from training.evaluation import figures


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


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
