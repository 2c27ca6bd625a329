"""The `platelane` command. Ctrl-C works even while its libraries are still loading."""

from __future__ import annotations

# Only modules that the interpreter has loaded anyway: everything else is imported in `main`, after the signal handler.
import os
import signal
import sys

_INTERRUPTED = 130  # what shells expect


def main() -> None:
    """Entry point: every expected error is one clear message and exit code 1."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:
        # no exception: a library that is just being imported might catch it as an error of its own
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    if hasattr(signal, "pthread_sigmask"):  # the Makefile blocks Ctrl-C while the interpreter itself is starting
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        from platelane.cli.app import run

        signal.signal(signal.SIGINT, usual)
        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
