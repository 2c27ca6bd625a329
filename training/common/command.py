"""Start and `--help` of every training program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from platelane.errors import PlatelaneError
from training.common.errors import Interrupted, TrainingError


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the description, and shows the default of every option."""


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """The command line of `python -m MODULE`; the description is the module's docstring."""
    return argparse.ArgumentParser(prog=f"python -m {module}", description=description, formatter_class=_Help)


def run(program: Callable[[], None]) -> None:
    """Run a program. Errors that its user can fix end it with one line and status 1, Ctrl-C with 130."""
    try:
        program()
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(130)
    except (TrainingError, PlatelaneError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
