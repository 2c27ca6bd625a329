"""The console that tables are printed on."""

from __future__ import annotations

import os
import sys
from typing import IO, Final

from rich.console import Console

_ANY_WIDTH: Final = 1_000


def console(file: IO[str] | None = None) -> Console:
    """A console as wide as the terminal, or without one as wide as the table, so that no word is cut."""
    on_screen = (file or sys.stdout).isatty() or "COLUMNS" in os.environ
    return Console(file=file, width=None if on_screen else _ANY_WIDTH)
