"""The `platelane` command, which obeys Ctrl-C while it still loads what it needs, too."""

from __future__ import annotations

import sys
from typing import Final

_INTERRUPTED: Final = 130  # what shells expect


def main() -> None:
    """Entry point: every expected error is one clear message and exit code 1."""
    try:
        from platelane.cli.app import run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
