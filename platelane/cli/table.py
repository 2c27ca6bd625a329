"""Shows the answer for one photo as a table."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from platelane.cli.client import PhotoReading
from platelane.cli.rows import Row, rows

_UNKNOWN = frozenset({"", "none", "unknown", "generic"})


def answer_table(reading: PhotoReading) -> RenderableType:
    """The plates with their vehicles, and the timing."""
    if reading.error:
        return Text(f"{reading.path}: {reading.error}", style="red")
    found = [row for row in rows(reading) if row.get("plate") or row.get("vehicle")]
    seconds = f"Read in {reading.answer.get('processing_time', '?')} ms"
    if not found:
        return Text(f"{reading.path}: no plate and no vehicle. {seconds}.")
    table = Table(title=reading.path, title_justify="left", header_style="bold")
    table.add_column("Plate", no_wrap=True, style="bold green")
    table.add_column("Score", no_wrap=True, justify="right")
    table.add_column("Region", no_wrap=True)
    table.add_column("Vehicle")
    table.add_column("Box (x, y, w x h)", no_wrap=True)
    for row in found:
        table.add_row(
            Text(str(row.get("plate") or "").upper()),
            _score(row.get("score")),
            f"{row.get('region') or ''} {_score(row.get('region_score'))}".strip(),
            _vehicle(row),
            _box(row),
        )
    return Group(table, Text(f"{seconds}.", style="dim"))


def _vehicle(row: Row) -> str:
    """The vehicle in words, such as "Sedan 0.912, red, Ford Focus, Front"."""
    kind = f"{row.get('vehicle') or ''} {_score(row.get('vehicle_score'))}".strip()
    model = " ".join(filter(None, (_known(row.get("make")), _known(row.get("model")))))
    words = (kind if row.get("vehicle_score") else "", _known(row.get("color")), model, _known(row.get("orientation")))
    return ", ".join(filter(None, words))


def _known(value: object) -> str:
    return "" if str(value).lower() in _UNKNOWN else str(value)


def _score(score: object) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else ""


def _box(row: Row) -> str:
    return (
        f"{row['xmin']}, {row['ymin']}, {row['xmax'] - row['xmin']} x {row['ymax'] - row['ymin']}"
        if "xmin" in row
        else ""
    )
