"""The one training loop: time budget, schedule, averaging of weights, checkpoints, resume, progress bar.

The learning rate follows the share of the time budget that is used up (linear warm-up, then half a cosine), so that a
run on two slow cores and one on a GPU end equally well settled.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from training.data import DEFAULT_DATA

Batch = Any
"""What a task's `batches` yields and its `loss` takes; tensors are moved by the task."""


class Task(Protocol):
    """One model to train: what it is, what it sees, what it is measured by."""

    model: torch.nn.Module

    def batches(self, progress: Progress) -> Iterator[Batch]:
        """An endless stream of training batches; augmentation may grow with `progress.share`."""
        ...

    def loss(self, model: torch.nn.Module, batch: Batch, device: torch.device) -> torch.Tensor:
        """The scalar to minimise."""
        ...

    def validate(self, model: torch.nn.Module, device: torch.device) -> Mapping[str, float]:
        """Figures on the validation split; the one named `score` decides which checkpoint is best."""
        ...


@dataclass(slots=True)
class Progress:
    """Share of the time budget used so far, 0 to 1; shared with a task's batches."""

    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Options:
    """What every training program takes on its command line."""

    data: Path
    out: Path
    minutes: float
    threads: int
    learning_rate: float
    weight_decay: float
    seed: int
    resume: bool
    validate_minutes: float
    exclude_sets: tuple[str, ...]
    initial: Path | None
    precision: str = "bf16"


def parser(description: str, out: str, minutes: float, learning_rate: float) -> argparse.ArgumentParser:
    """The common command line; a program adds its own options to it."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    result.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    result.add_argument("--out", type=Path, default=Path("runs") / out, help="folder for checkpoints")
    result.add_argument("--minutes", type=float, default=minutes, help="time budget, validation included")
    result.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    result.add_argument("--learning-rate", type=float, default=learning_rate)
    result.add_argument("--weight-decay", type=float, default=0.02)
    result.add_argument("--seed", type=int, default=0)
    result.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    result.add_argument("--validate-minutes", type=float, default=8.0, help="minutes between validations")
    result.add_argument("--exclude-set", action="append", default=[], help="leave a data set out (repeatable)")
    result.add_argument("--initial", type=Path, default=None, help="start from these weights (fine-tuning)")
    result.add_argument(
        "--precision",
        choices=("bf16", "fp32"),
        default="bf16",
        help="fp32 takes three quarters of the time of bf16 on Intel processors without AMX",
    )
    return result


def options(arguments: argparse.Namespace) -> Options:
    """The common options out of parsed arguments."""
    return Options(
        data=arguments.data,
        out=arguments.out,
        minutes=arguments.minutes,
        threads=arguments.threads,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        seed=arguments.seed,
        resume=arguments.resume,
        validate_minutes=arguments.validate_minutes,
        exclude_sets=tuple(arguments.exclude_set),
        initial=arguments.initial,
        precision=arguments.precision,
    )


def prepare(chosen: Options) -> torch.device:
    """Seed everything, set the threads, choose the device (a GPU where there is one)."""
    random.seed(chosen.seed)
    np.random.seed(chosen.seed)
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(task: Task, chosen: Options, device: torch.device) -> torch.nn.Module:
    """Train until the budget is used up; returns the averaged model of the last validation that scored best.

    Writes `last.pt` (for --resume) and `best.pt` (averaged weights under the key `model`) into `chosen.out`.
    """
    chosen.out.mkdir(parents=True, exist_ok=True)
    model: torch.nn.Module = task.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if chosen.initial is not None:
        model.load_state_dict(torch.load(chosen.initial, map_location=device, weights_only=True)["model"])
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(_groups(model, chosen.weight_decay), lr=chosen.learning_rate, betas=(0.9, 0.99))
    state = {"step": 0, "seconds": 0.0, "best": -math.inf}
    last, best = chosen.out / "last.pt", chosen.out / "best.pt"
    if chosen.resume and last.exists():
        saved = torch.load(last, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        state = saved["state"]

    progress = Progress()
    budget, started, spent_before = chosen.minutes * 60, time.monotonic(), state["seconds"]
    next_validation = state["seconds"] + chosen.validate_minutes * 60
    bar = tqdm(total=round(budget), initial=round(spent_before), unit="s", mininterval=5, dynamic_ncols=True)
    smooth = math.nan
    for batch in task.batches(progress):
        state["seconds"] = spent_before + time.monotonic() - started
        progress.share = min(1.0, state["seconds"] / budget)
        rate = chosen.learning_rate * _schedule(progress.share)
        for group in optimizer.param_groups:
            group["lr"] = rate
        model.train()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=chosen.precision == "bf16"):
            loss = task.loss(model, batch, device)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        state["step"] += 1
        _update_average(average, model, int(state["step"]))
        value = loss.item()
        smooth = value if math.isnan(smooth) else 0.98 * smooth + 0.02 * value
        bar.set_postfix(step=int(state["step"]), loss=f"{smooth:.3f}", lr=f"{rate:.1e}", refresh=False)
        bar.update(round(state["seconds"]) - bar.n)

        over = state["seconds"] >= budget
        if over or state["seconds"] >= next_validation:
            figures = task.validate(average, device)
            bar.write(f"step {int(state['step'])} loss {smooth:.3f} " + _described(figures))
            if figures["score"] > state["best"]:
                state["best"] = figures["score"]
                torch.save({"model": average.state_dict(), "figures": dict(figures)}, best)
            torch.save(
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "state": state,
                },
                last,
            )
            next_validation = spent_before + time.monotonic() - started + chosen.validate_minutes * 60
        if over:
            break
    bar.close()
    average.load_state_dict(torch.load(best, map_location=device, weights_only=True)["model"])
    return average


def blended(checkpoints: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of the checkpoints' averaged weights; they must descend from one another."""
    saved = [torch.load(path, map_location="cpu", weights_only=True) for path in checkpoints]
    states = [each.get("average", each["model"]) for each in saved]
    return {
        name: sum(each[name] for each in states) / len(states) if value.dtype.is_floating_point else value
        for name, value in states[0].items()
    }


def _schedule(share: float) -> float:
    """Factor on the learning rate: 2 % linear warm-up, then half a cosine down to 1 %."""
    if share < 0.02:
        return max(0.01, share / 0.02)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (share - 0.02) / 0.98)) / 2


def _groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices and kernels, none for biases and normalisation."""
    wide = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    narrow = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": wide, "weight_decay": weight_decay}, {"params": narrow, "weight_decay": 0.0}]


@torch.no_grad()
def _update_average(average: torch.nn.Module, model: torch.nn.Module, step: int) -> None:
    """Exponential moving average of the weights (Polyak) over the last 4 % of the steps, 2000 at most.

    A longer memory than that keeps a short run's early weights alive, and where the task's pictures have changed their
    size since, the average is far worse than the weights of the last step.
    """
    decay = 1 - 1 / min(2000, 1 + step / 25)
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _described(figures: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4f}" for name, value in figures.items())
