"""The `platelane` command, which obeys Ctrl-C while it still loads what it needs, too."""

from __future__ import annotations

# nothing else is loaded before `main`, and these the interpreter has loaded already
import os
import signal
import sys

_INTERRUPTED = 130  # what shells expect


def main() -> None:
    """Entry point: every expected error is one clear message and exit code 1."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        # not by an exception, which libraries that are being loaded may take for an error of their own
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    try:
        from platelane.cli.app import run

        signal.signal(signal.SIGINT, usual)
        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
