"""The options of `platelane learn`, and what learning from plates and from vehicles has in common."""

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


class NotImproved(TrainingError):
    """The trained model gains nothing, or loses too much on other pictures."""


@dataclass(frozen=True, slots=True)
class Options:
    """See `platelane learn --help`."""

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
    """The training loop's options: no validation before the end; with a GPU, the other cores prepare pictures."""
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


def train_until_stopped(task: loop.Task, chosen: loop.Options, device: torch.device, console: Console) -> Weights:
    """Train until the time is up or Ctrl-C is pressed; returns the averaged weights."""
    loop.prepare(chosen)
    where = "GPU" if device.type == "cuda" else "processor"
    long = f"{chosen.steps} steps" if chosen.steps else f"{chosen.minutes:g} minutes"
    console.print(f"Learning for {long} on the {where}; Ctrl-C ends it early")
    try:
        loop.train(task, chosen, device)
    except Interrupted:
        console.print("Stopped; continuing with what was learnt until now. Press Ctrl-C again to quit.", style="yellow")
    return loop.blended([chosen.out / "last.pt"])
