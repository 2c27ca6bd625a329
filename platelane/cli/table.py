"""An answer for people: what was read in one photo."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from platelane.cli.client import Reading
from platelane.cli.rows import Row, rows


def answer_table(reading: Reading) -> RenderableType:
    """The plates with their vehicles, the timing, and what was read of each."""
    if reading.error:
        return Text(f"{reading.file}: {reading.error}", style="red")
    found = [row for row in rows(reading) if row.get("plate") or row.get("vehicle")]
    table = Table(title=str(reading.file), title_justify="left", header_style="bold")
    for column in ("Plate", "Score", "Region", "Vehicle", "Score", "Make and model", "Color", "Seen from", "Box"):
        table.add_column(column, justify="right" if column == "Score" else "left")
    for row in found:
        table.add_row(
            Text(str(row.get("plate") or "-").upper(), style="bold green"),
            _score(row.get("score")),
            str(row.get("region") or "-"),
            str(row.get("vehicle") or "-"),
            _score(row.get("vehicle_score")),
            " ".join(str(row[key]) for key in ("make", "model") if row.get(key)) or "-",
            str(row.get("color") or "-"),
            str(row.get("orientation") or "-"),
            _box(row),
        )
    seconds = f"read in {reading.answer.get('processing_time', '?')} ms"
    return (
        Group(table, Text(seconds, style="dim")) if found else Text(f"{reading.file}: no plate, no vehicle; {seconds}")
    )


def _score(score: object) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else "-"


def _box(row: Row) -> str:
    if "xmin" not in row:
        return "-"
    return f"{row['xmin']},{row['ymin']} {row['xmax'] - row['xmin']}x{row['ymax'] - row['ymin']}"
