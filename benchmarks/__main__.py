"""`python -m benchmarks` runs all programs; `python -m benchmarks overhead` one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks import fuzz, memory, overhead, scale, steps, throughput, webhooks

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "gate.jpg"
PROGRAMS = {
    "overhead": overhead.main,
    "throughput": throughput.main,
    "memory": memory.main,
    "steps": steps.main,
    "scale": scale.main,
    "fuzz": fuzz.main,
    "webhooks": webhooks.main,
}


def main(
    programs: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(PROGRAMS)}; all if none is named.")
    ] = None,
    photo: Annotated[Path, typer.Option(help="The photograph to send, 1280x720.")] = SAMPLE,
) -> None:
    """Measure the system on this machine and write the figures into benchmarks/RESULTS.md."""
    for name in programs or PROGRAMS:
        if name not in PROGRAMS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(PROGRAMS)}")
        PROGRAMS[name](photo)


if __name__ == "__main__":
    typer.run(main)
