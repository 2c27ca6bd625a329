"""`python -m benchmarks` runs all programs, `python -m benchmarks overhead` one of them, `python -m benchmarks faults
power-loss` one fault."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import (
    bus,
    direct,
    faults,
    fuzz,
    gpu,
    isolation,
    memory,
    offered_load,
    overhead,
    peers,
    scale,
    snapshot,
    steps,
    sync,
    uploads,
    webhooks,
)
from platelane.errors import CannotStart

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "gate.jpg"
PROGRAMS: dict[str, Callable[[Path], None]] = {
    "overhead": overhead.main,
    "snapshot": snapshot.main,
    "direct": direct.main,
    "memory": memory.main,
    "load": offered_load.main,
    "steps": steps.main,
    "scale": scale.main,
    "bus": bus.main,
    "sync": sync.main,
    "fuzz": fuzz.main,
    "uploads": uploads.main,
    "webhooks": webhooks.main,
    "isolation": isolation.main,
    "faults": faults.main,
}


def main(
    programs: Annotated[
        list[str] | None,
        typer.Argument(
            help=f"Any of {', '.join(PROGRAMS)}, peers, gpu; by default all but the last two. "
            f"After `faults`: {', '.join(faults.FAULTS)}."
        ),
    ] = None,
    photo: Annotated[Path, typer.Option(help="The photograph to send; 1280x720.")] = SAMPLE,
    folder: Annotated[
        Path | None,
        typer.Option(help="For `peers`: a folder of photographs with a plates.csv (file, text)."),
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long `load` sends photographs at each rate.", min=1)] = 20.0,
    runtime: Annotated[
        str | None,
        typer.Option(
            help=f"What runs the networks of `gpu`: {', '.join(gpu.RUNTIMES)}. Default: the first with a GPU."
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(help="How long `load` watches memory under mixed traffic; 10 show if it is flat.", min=0),
    ] = 1.0,
) -> None:
    """Measure the system on this machine, and write the figures to benchmarks/RESULTS.md."""
    names = [name for name in programs or () if name in faults.FAULTS]
    known = PROGRAMS | {"load": partial(offered_load.main, seconds=seconds, minutes=minutes)}
    if runtime and runtime not in gpu.RUNTIMES:
        raise typer.BadParameter(f"--runtime must be one of {', '.join(gpu.RUNTIMES)}")
    if "gpu" in (programs or ()):
        known["gpu"] = partial(gpu.main, kind=runtime)
    if names:
        known["faults"] = partial(faults.main, names=names)
    if folder:
        known["peers"] = lambda _: peers.main(folder)
    elif "peers" in (programs or ()):
        raise typer.BadParameter("peers needs a --folder of photographs with a plates.csv (file, text)")
    for name in [name for name in programs or known if name not in names]:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join((*known, *faults.FAULTS))}")
        try:
            known[name](photo)
        except CannotStart as error:
            sys.exit(f"error: {error}")


if __name__ == "__main__":
    typer.run(main)
