"""Charts: confusion matrices, and how well scores are calibrated."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from training.evaluation import figures, report, vehicles
from training.evaluation.given_crops import DescribedCrop, ReadCrop
from training.evaluation.matching import Matched

_MOST: Final = 24
"""Number of classes with a row of their own, those with most labels."""
_OTHERS: Final = "others"
_NOTHING: Final = "not named"
_CELL: Final = 0.27
"""Inches."""
_SMALL: Final = 6.5
"""Points."""
_PALETTE: Final = 24
"""Colours of the PNG; few, to keep it small."""


def draw(
    folder: Path, photos: Sequence[Matched], plates: Sequence[ReadCrop], crops: Sequence[DescribedCrop]
) -> list[Path]:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = {
        "type": vehicles.answered(crops, "type"),
        "colour": vehicles.answered(crops, "color"),
        "orientation": vehicles.answered(crops, "orientation"),
        "make": vehicles.makes(crops),
        "country": report.country_answers(plates),
    }
    drawn = {
        name: _confusion(name, [(label, [*found, _NOTHING][0]) for label, found in answers[name]]) for name in answers
    }
    drawn["scores"] = _scores(photos)
    return [_write(figure, folder / f"{name}.png") for name, figure in drawn.items()]


def confusion_matrix(
    pairs: Sequence[tuple[str, str]], most: int = _MOST
) -> tuple[list[str], list[str], list[list[int]]]:
    """Names of the rows (labels) and columns (answers), and counts; rare classes are combined.

    A rare class that is taken for another rare one therefore counts as right.
    """
    counts = Counter(label for label, _ in pairs)
    rows = sorted(name for name, _ in counts.most_common(most))
    named = {name: name for name in [*rows, _NOTHING]}
    found = Counter((named.get(label, _OTHERS), named.get(answer, _OTHERS)) for label, answer in pairs)
    rows += [_OTHERS] if len(counts) > most else []
    columns = rows + [name for name in (_OTHERS, _NOTHING) if name not in rows and any(a == name for _, a in found)]
    return rows, columns, [[found[row, column] for column in columns] for row in rows]


def _confusion(title: str, pairs: Sequence[tuple[str, str]]) -> Figure:
    rows, columns, counts = confusion_matrix(pairs)
    shares = np.array(counts, dtype=float)
    shares /= shares.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(_CELL * len(columns) + 1.5, _CELL * len(rows) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for y, row in enumerate(counts):
        for x, count in enumerate(row):
            if count:
                color = "white" if shares[y, x] > 0.5 else "black"
                axes.text(x, y, str(count), ha="center", va="center", fontsize=_SMALL, color=color)
    axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=_SMALL)
    axes.set_yticks(range(len(rows)), rows, fontsize=_SMALL)
    axes.set_xlabel("answered", fontsize=_SMALL)
    axes.set_ylabel("labelled", fontsize=_SMALL)
    axes.set_title(f"{title}, {len(pairs)} crops", fontsize=_SMALL + 1)
    return figure


def _scores(photos: Sequence[Matched]) -> Figure:
    """How often answers with a score are right; on the diagonal, the score is a probability."""
    figure = Figure(figsize=(5.4, 2.8), layout="constrained")
    charts = (
        ("score: read exactly", figures.text_scores(photos), figures.SCORE_EDGES),
        ("dscore: is a plate", figures.plate_scores(photos), figures.DSCORE_EDGES),
    )
    for place, (title, scored, edges) in enumerate(charts, start=1):
        bins = figures.reliability(scored, edges)
        axes = figure.add_subplot(1, 2, place)
        axes.plot([0, 1], [0, 1], color="lightgrey", linewidth=1)
        axes.plot([each.mean for each in bins], [each.right for each in bins], marker="o", markersize=3, linewidth=1)
        for each in bins:
            axes.annotate(
                str(each.count), (each.mean, each.right), (4, -8), textcoords="offset points", fontsize=_SMALL
            )
        axes.set(xlim=(0, 1), ylim=(0, 1.03), aspect="equal")
        axes.tick_params(labelsize=_SMALL)
        axes.set_xlabel("mean score", fontsize=_SMALL)
        axes.set_ylabel("share that is right", fontsize=_SMALL)
        axes.set_title(title, fontsize=_SMALL + 1)
    return figure


def _write(figure: Figure, path: Path) -> Path:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    with Image.open(buffer) as drawn:
        drawn.convert("RGB").quantize(_PALETTE, dither=Image.Dither.NONE).save(path, optimize=True)
    return path
