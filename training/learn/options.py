"""The command line of `platelane learn`, and what learning plates and learning vehicles have in common."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from rich.console import Console

from platelane.resources import MODELS
from training.common import loop
from training.common.errors import Interrupted, TrainingError
from training.common.folded import Weights

MINUTES: Final = {"cpu": 5.0, "cuda": 1.0}
MOST_WORKERS: Final = 8


class Refused(TrainingError):
    """What was learnt gains nothing, or costs others too much."""


@dataclass(frozen=True, slots=True)
class Options:
    """As `platelane learn --help` explains them."""

    folder: Path
    attributes: bool = False
    out: Path = Path("learned")
    models: Path = MODELS
    minutes: float | None = None
    steps: int = 0
    guards: tuple[Path, ...] = ()
    region: str = ""
    accept_loss: bool = False
    accept_texts: bool = False
    skip_faulty: bool = False
    threads: int = 0
    guard_plates: int = 800


def run_options(options: Options, target: Path, rate: float, device: torch.device) -> loop.Options:
    """Of the training loop: no validation before the end, and on a GPU the other cores prepare pictures."""
    minutes = options.minutes or MINUTES[device.type]
    on_gpu = device.type == "cuda"
    return loop.Options(
        data=options.folder,
        out=target / "run",
        model=target,
        minutes=minutes,
        steps=options.steps,
        threads=options.threads or torch.get_num_threads(),
        workers=min(MOST_WORKERS, (os.cpu_count() or 1) - 1) if on_gpu else 0,
        learning_rate=rate,
        weight_decay=0.02,
        seed=0,
        resume=False,
        validate_minutes=2 * minutes,
        exclude_sets=(),
        initial=None,
        precision="bf16" if on_gpu or loop.bf16_is_fast() else "fp32",
        export_only=False,
        weights=(),
    )


def trained_until_stopped(task: loop.Task, chosen: loop.Options, device: torch.device, console: Console) -> Weights:
    """The averaged weights after the budget, or after Ctrl-C."""
    loop.prepare(chosen)
    where = "GPU" if device.type == "cuda" else "processor"
    long = f"{chosen.steps} steps" if chosen.steps else f"{chosen.minutes:g} minutes"
    console.print(f"Learning for {long} on the {where}; Ctrl-C ends it early")
    try:
        loop.train(task, chosen, device)
    except Interrupted:
        console.print("Stopped: what was learnt until now is used. Ctrl-C again leaves.", style="yellow")
    return loop.blended([chosen.out / "last.pt"])
