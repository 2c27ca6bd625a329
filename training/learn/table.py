"""CSV lists of what pictures show, as exported by Excel, LibreOffice, databases and editors."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from training.common.errors import DataError

MOST_BYTES: Final = 64 << 20
MOST_ROWS: Final = 200_000

NAMES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("file", "filename", "file name", "picture", "image", "photo", "path"), "file"),
    **dict.fromkeys(("text", "plate", "plate text", "plate number", "number plate", "license plate"), "text"),
    **dict.fromkeys(("region", "country", "region code"), "region"),
    **dict.fromkeys(("box", "bbox", "bounding box"), "box"),
    **dict.fromkeys(("color", "colour"), "color"),
    **{name: name for name in ("xmin", "ymin", "xmax", "ymax", "type", "orientation", "make", "model", "year")},
}
"""Accepted column titles (in any case) by the names used here; other columns are ignored."""
SIDES: Final = ("xmin", "ymin", "xmax", "ymax")
_DELIMITERS: Final = ",;\t|"
_FORMULA: Final = re.compile(r'="(.*)"')


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its line in the file, counted from 1, and its values by the names of `NAMES`; missing ones are empty."""

    number: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values.get(column, "")


@dataclass(frozen=True, slots=True)
class Table:
    columns: frozenset[str]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, data: bytes, name: str) -> Table:
        """The non-empty rows of a CSV file.

        Separators are commas, semicolons, tabs or bars; the encoding is UTF-8, UTF-16 or Windows-1252, with or without
        a byte order mark.

        Raises:
            DataError: it is too large, or not a table.
        """
        if len(data) > MOST_BYTES:
            raise DataError(f"{name} has {len(data) >> 20} MB; the limit is {MOST_BYTES >> 20} MB")
        text = _decoded(data)
        first, _, rest = text.partition("\n")
        declared = re.fullmatch(r"sep=(.)\r?", first)  # Excel's line that names the separator
        delimiter = declared[1] if declared else _delimiter(first)
        reader = csv.reader(io.StringIO(rest if declared else text, newline=""), delimiter=delimiter)
        try:
            rows = [(reader.line_num + bool(declared), row) for row in reader]
        except csv.Error as error:
            raise DataError(f"{name}:{reader.line_num + bool(declared)}: {error}") from None
        rows = [(number, row) for number, row in rows if any(map(str.strip, row))]
        if not rows:
            raise DataError(f"{name} is empty; its first line must name the columns")
        if len(rows) > MOST_ROWS:
            raise DataError(f"{name} has {len(rows)} rows; the limit is {MOST_ROWS}")
        columns = [NAMES.get(_title(cell), "") for cell in rows[0][1]]
        twice = sorted({column for column in columns if column and columns.count(column) > 1})
        if twice:
            raise DataError(f"{name} has more than one column for {', '.join(twice)}")
        return cls(frozenset(filter(None, columns)), tuple(Line(at, _values(columns, row)) for at, row in rows[1:]))


def _values(columns: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    return {column: _cell(cell) for column, cell in zip(columns, row, strict=False) if column}


def _cell(text: str) -> str:
    """The text without spaces, and without the apostrophe or `="..."` that keeps Excel from converting it."""
    bare = unicodedata.normalize("NFC", text.replace("\N{NO-BREAK SPACE}", " ").replace("\ufeff", "")).strip()
    formula = _FORMULA.fullmatch(bare)
    return (formula[1] if formula else bare.removeprefix("'")).strip()


def _title(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", _cell(text).strip('"')).lower()


def _delimiter(header: str) -> str:
    """The separator that occurs most often in the header; a comma if none does."""
    return max(_DELIMITERS, key=header.count)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
