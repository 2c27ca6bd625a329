"""The pictures of RESULTS.md, as SVG files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

FOLDER: Final = Path(__file__).parent
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "platelane",  # so that the same figures give the same file
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
_SIZE: Final = (4.6, 3.4)
"""Size of each panel in inches."""

Lines = Mapping[str, Sequence[float | None]]


def lines(
    name: str, across: str, x: Sequence[float], panels: Mapping[str, Lines], *, logarithmic: bool = False, at: float = 0
) -> str:
    """Draw lines over `x`, one panel per name of a y axis, to `name`.svg; returns Markdown that shows it.

    `logarithmic`: the first panel's y axis. `at`: position of a mark on the x axis, 0 for none. None is a gap.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIZE[0] * len(panels), _SIZE[1]), layout="constrained")
        for number, (label, drawn) in enumerate(panels.items()):
            axes: Any = figure.add_subplot(1, len(panels), number + 1)
            for series, values in drawn.items():
                axes.plot(x, [float("nan") if y is None else y for y in values], marker="o", markersize=3, label=series)
            if at:
                axes.axvline(at, color="grey", linewidth=1, linestyle=":")
            if logarithmic and not number:
                axes.set_yscale("log")
            else:
                axes.set_ylim(bottom=0)
            axes.set_xlim(left=0)
            axes.set_xlabel(across)
            axes.set_ylabel(label)
            axes.legend(fontsize=8)
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    return f"![{' and '.join(panels)} by {across}]({name}.svg)"
