"""`platelane read`: reads photos and folders through a running server; writes a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TextIO

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from platelane.cli.client import Client, Found, PhotoReading
from platelane.cli.console import console
from platelane.cli.rows import COLUMNS, rows
from platelane.cli.table import answer_table


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


async def read_photos(
    client: Client,
    found: Found,
    fields: dict[str, str],
    *,
    in_flight: int = 4,
    format: Format | None = None,
    out: Path | None = None,
) -> bool:
    """Reads all photos and writes a record for each; returns whether all were read.

    The default format is a table for a single photo on a terminal, and JSON lines otherwise. Raises EngineUnavailable
    if no server answers.
    """
    photos = found.photos
    on_screen = out is None and sys.stdout.isatty()
    if format is None:
        format = Format.TABLE if len(photos) == 1 and on_screen else Format.JSON
    messages = Console(stderr=True)
    for folder in found.unreadable:
        messages.print(f"{folder}: this folder cannot be read", style="red", markup=False, soft_wrap=True)
    failed = 0
    with (
        out.open("w", encoding="utf-8", newline="") if out else _standard_output() as output,
        Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("photos"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=messages,
            disable=on_screen or len(photos) == 1,  # on a terminal the output itself shows the progress
        ) as progress,
    ):
        write = _writer(format, output)
        bar = progress.add_task("Reading", total=len(photos))
        async with client:
            await client.reach()
            async for reading in client.read_all(photos, fields, in_flight):
                write(reading)
                if reading.error:
                    failed += 1
                    messages.print(f"{reading.path}: {reading.error}", style="red", markup=False, soft_wrap=True)
                progress.advance(bar)
    if failed and len(photos) > 1:
        messages.print(f"{failed} of {len(photos)} photos were not read.", style="red")
    return not failed and not found.unreadable


def _standard_output() -> TextIO:
    """Standard output as a file object that may be closed."""
    return open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False)


def _writer(format: Format, output: TextIO) -> Callable[[PhotoReading], None]:
    match format:
        case Format.TABLE:
            screen = console(output)
            return lambda reading: None if reading.error else screen.print(answer_table(reading))
        case Format.CSV:
            table = csv.DictWriter(output, COLUMNS, extrasaction="ignore", lineterminator="\n")
            table.writeheader()
            return lambda reading: table.writerows(rows(reading))
        case Format.JSON:
            return lambda reading: _write_json(output, reading)


def _write_json(output: TextIO, reading: PhotoReading) -> None:
    """Writes one line. If the photo was not read, `error` gives the reason, as in the API's answers."""
    record = {"file": reading.path} | reading.answer | ({"error": reading.error} if reading.error else {})
    output.write(orjson.dumps(record).decode() + "\n")
    output.flush()
