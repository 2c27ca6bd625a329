"""The one training loop: time budget, schedule, averaging of weights, checkpoints, resume, progress bar.

The learning rate depends on the share of the time budget that is used up (linear warm-up, then half a cosine), so that
runs on two slow cores and on a GPU both converge.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm import tqdm

from training.common import command
from training.common.errors import CheckpointError, Interrupted, TrainingDiverged
from training.data.dataset import DEFAULT_DATA

REPOSITORY: Final = Path("triton_models")

Batch = Any
"""What a task's `batches` yields and its `loss` accepts; the task moves tensors to the device."""


class Task(Protocol):
    """A model to train, with its batches, loss and validation."""

    model: torch.nn.Module

    def batches(self, progress: Progress, random: np.random.Generator) -> Iterator[Batch]:
        """An endless stream of training batches; augmentation may grow with `progress.share`.

        Each worker process runs it on a copy of the task, with its own random numbers.
        """
        ...

    def loss(self, model: torch.nn.Module, batch: Batch, device: torch.device) -> torch.Tensor:
        """The scalar to minimise."""
        ...

    def validate(self, model: torch.nn.Module, device: torch.device) -> Mapping[str, float]:
        """Figures on the validation split; the one named `score` decides which checkpoint is best.

        Without a `score`, the last one is.
        """
        ...


class Progress:
    """Share of the time budget used so far, 0 to 1; shared with worker processes."""

    def __init__(self, share: float = 0.0) -> None:
        self._share = RawValue(ctypes.c_double, share)

    @property
    def share(self) -> float:
        return float(self._share.value)

    @share.setter
    def share(self, value: float) -> None:
        self._share.value = value


Precision = Literal["bf16", "fp32"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options that all training programs have in common."""

    data: Path
    out: Path
    model: Path
    minutes: float
    steps: int
    """If not 0, the run ends after so many steps, however long they take."""
    threads: int
    workers: int
    learning_rate: float
    weight_decay: float
    seed: int
    resume: bool
    validate_minutes: float
    exclude_sets: tuple[str, ...]
    initial: Path | None
    precision: Precision
    export_only: bool
    weights: tuple[Path, ...]


def parser(description: str | None, name: str, minutes: float, learning_rate: float) -> argparse.ArgumentParser:
    """The common command line of the program that trains the model `name`; a program adds its own options to it."""
    result = command.parser(f"training.{name}", description)
    result.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    result.add_argument("--out", type=Path, default=Path("runs") / name, help="folder for checkpoints")
    result.add_argument("--model", type=Path, default=REPOSITORY / name, help="folder to export the model to")
    result.add_argument("--minutes", type=float, default=minutes, help="how long to train, validation included")
    result.add_argument("--steps", type=int, default=0, help="end after so many steps instead; 0: use --minutes")
    result.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    result.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that prepare batches, for a GPU; 0: prepare them between steps",
    )
    result.add_argument("--learning-rate", type=float, default=learning_rate, help="peak of the schedule")
    result.add_argument("--weight-decay", type=float, default=0.02, help="for kernels and matrices")
    result.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    result.add_argument("--resume", action="store_true", help="continue from last.pt in --out")
    result.add_argument("--validate-minutes", type=float, default=8.0, help="minutes between validations")
    result.add_argument(
        "--exclude-set",
        dest="exclude_sets",
        action="append",
        default=[],
        help="leave out this set (repeatable)",
    )
    result.add_argument("--initial", type=Path, default=None, help="start from these weights (fine-tuning)")
    result.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="bf16",
        help="on Intel processors without AMX, fp32 takes three quarters of the time of bf16",
    )
    result.add_argument(
        "--export-only", action="store_true", help="do not train; export best.pt of --out, or --weights"
    )
    result.add_argument(
        "--weights", type=Path, action="append", default=[], help="export the mean of these checkpoints (repeatable)"
    )
    return result


def options(arguments: argparse.Namespace) -> Options:
    """The common options from parsed arguments."""
    chosen: dict[str, Any] = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    return Options(**chosen | {name: tuple(chosen[name]) for name in ("exclude_sets", "weights")})


def bf16_is_fast() -> bool:
    """Whether this processor multiplies bf16 in hardware (AMX, AVX-512 BF16)."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and not {"amx_bf16", "avx512_bf16"}.isdisjoint(flags.read_text().split())


def prepare(chosen: Options) -> torch.device:
    """Seed PyTorch, set the number of threads, and choose the device (a GPU if there is one).

    Raises:
        CheckpointError: requested weights are missing; checked here, before the data is read.
    """
    needed = [chosen.initial] if chosen.initial else []
    if chosen.export_only:
        needed = list(chosen.weights) or [chosen.out / "best.pt"]
    elif chosen.resume:
        needed.append(chosen.out / "last.pt")
    for checkpoint in needed:
        if not checkpoint.is_file():
            why = "; omit --resume to start a new run" if chosen.resume and checkpoint.name == "last.pt" else ""
            raise CheckpointError(f"there is no checkpoint {checkpoint}{why}")
    torch.manual_seed(chosen.seed)
    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(1)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(slots=True)
class Spent:
    """How far a run has come: steps, time and best score."""

    step: int = 0
    seconds: float = 0.0
    best: float = -math.inf
    """The highest validation score so far."""


def train(task: Task, chosen: Options, device: torch.device) -> None:
    """Train until the budget is used up.

    Writes `last.pt` (for `--resume`) and `best.pt` into `chosen.out`. The latter holds the averaged weights, under the
    key `model`, of the validation with the best score, or of the last one if there are no scores.

    Raises:
        CheckpointError: the weights for `--initial` or `--resume` are missing, or the resumed run is complete.
        Interrupted: Ctrl-C; what was learnt is saved.
        TrainingDiverged: the loss or the validation's score is not finite.
    """
    chosen.out.mkdir(parents=True, exist_ok=True)
    model: torch.nn.Module = task.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if chosen.initial is not None:
        load(model, blended([chosen.initial]), chosen.initial)
    run = _Run(
        model,
        copy.deepcopy(model).eval(),
        torch.optim.AdamW(_groups(model, chosen.weight_decay), lr=chosen.learning_rate, betas=(0.9, 0.99)),
        Spent(),
    )
    if chosen.resume:
        run.restore(chosen.out / "last.pt", device)

    budget, patience = chosen.minutes * 60, chosen.validate_minutes * 60
    if chosen.resume and run.spent.seconds >= budget:
        raise CheckpointError(
            f"{chosen.out / 'last.pt'} has used up its {chosen.minutes:g} minutes; --minutes adds more"
        )
    progress = Progress(min(1.0, run.spent.seconds / budget))
    began = time.monotonic() - run.spent.seconds
    next_validation = run.spent.seconds + patience
    total, unit = (chosen.steps, "step") if chosen.steps else (round(budget), "s")
    done = run.spent.step if chosen.steps else round(run.spent.seconds)
    bar = tqdm(total=total, initial=done, unit=unit, mininterval=5, dynamic_ncols=True)
    smooth = math.nan
    try:
        for batch in _batches(task, progress, chosen, run.spent.step):
            run.spent.seconds = time.monotonic() - began
            progress.share = min(1.0, _used(run.spent, chosen))
            rate = chosen.learning_rate * _schedule(progress.share)
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=chosen.precision == "bf16"):
                loss = task.loss(model.train(), batch, device)
            value = run.step(loss, rate)
            smooth = value if math.isnan(smooth) else 0.98 * smooth + 0.02 * value
            bar.set_postfix(step=run.spent.step, loss=f"{smooth:.3f}", lr=f"{rate:.1e}", refresh=False)
            bar.update((run.spent.step if chosen.steps else round(run.spent.seconds)) - bar.n)

            over = _used(run.spent, chosen) >= 1
            if over or run.spent.seconds >= next_validation:
                figures = task.validate(run.average, device)
                bar.write(f"step {run.spent.step} loss {smooth:.3f} " + _described(figures))
                run.save(chosen.out, figures.get("score"))
                next_validation = time.monotonic() - began + patience
            if over:
                break
    except KeyboardInterrupt:
        run.keep(chosen.out)
        raise Interrupted(f"stopped after {run.spent.step} steps, saved in {chosen.out / 'last.pt'}") from None
    finally:
        bar.close()


def _used(spent: Spent, chosen: Options) -> float:
    """The used share of the budget; over 1 if more was used."""
    return spent.step / chosen.steps if chosen.steps else spent.seconds / (chosen.minutes * 60)


class _Stream(IterableDataset[Batch]):
    """A task's batches. Each worker process has its own random numbers, and a resumed run has new ones."""

    def __init__(self, task: Task, progress: Progress, seed: tuple[int, int]) -> None:
        self.task, self.progress, self.seed = task, progress, seed

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        number = 0 if worker is None else worker.id
        return self.task.batches(self.progress, np.random.default_rng([*self.seed, number]))


def _batches(task: Task, progress: Progress, chosen: Options, step: int) -> Iterator[Batch]:
    """The task's batches from a step on, prepared by worker processes if there are any."""
    stream = _Stream(task, progress, (chosen.seed, step))
    if chosen.workers == 0:
        return iter(stream)
    # forked, so that the decoded pictures are in memory only once
    loader = DataLoader(
        stream,
        batch_size=None,
        num_workers=chosen.workers,
        prefetch_factor=4,
        multiprocessing_context="fork",
        worker_init_fn=_ignore_interrupts,
    )
    return iter(loader)


def _ignore_interrupts(_worker: int) -> None:
    """Ctrl-C also reaches the workers, but they end with the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(slots=True)
class _Run:
    """The state of a training run."""

    model: torch.nn.Module
    average: torch.nn.Module
    optimizer: torch.optim.Optimizer
    spent: Spent

    def step(self, loss: torch.Tensor, rate: float) -> float:
        """Make one optimiser step; returns the loss."""
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingDiverged(f"the loss is {value} after {self.spent.step} steps")
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.spent.step += 1
        _update_average(self.average, self.model, self.spent.step)
        return value

    def save(self, folder: Path, score: float | None) -> None:
        """Save the weights after a validation; `score` is None if it has none."""
        if score is not None and not math.isfinite(score):
            raise TrainingDiverged(f"the validation's score is {score} after {self.spent.step} steps")
        if score is None or score > self.spent.best:
            self.spent.best = self.spent.best if score is None else score
            torch.save({"model": self.average.state_dict()}, folder / "best.pt")
        self.keep(folder)

    def keep(self, folder: Path) -> None:
        """Save `last.pt`, from which `--resume` continues; before the first validation, there are no other weights."""
        if not math.isfinite(self.spent.best):
            torch.save({"model": self.average.state_dict()}, folder / "best.pt")
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "state": asdict(self.spent),
        }
        torch.save(state, folder / "last.pt")

    def restore(self, checkpoint: Path, device: torch.device) -> None:
        saved = _loaded(checkpoint, device)
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.spent = Spent(**saved["state"])


def trained(chosen: Options) -> dict[str, torch.Tensor]:
    """The weights to export: the mean of `--weights`, or those of `best.pt`."""
    return blended(chosen.weights or [chosen.out / "best.pt"])


def blended(checkpoints: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The mean of the checkpoints' averaged weights; one must have been fine-tuned from another.

    Raises:
        CheckpointError: one of them is missing.
    """
    states = [state_of(path) for path in checkpoints]
    return {
        name: torch.stack([each[name] for each in states]).mean(dim=0) if value.dtype.is_floating_point else value
        for name, value in states[0].items()
    }


def load(model: torch.nn.Module, weights: Mapping[str, torch.Tensor], source: Path) -> None:
    """Load initial weights into a model; its method `adapted`, if any, converts those of a smaller model.

    Raises:
        CheckpointError: they belong to another network, or to other classes.
    """
    adapted = getattr(model, "adapted", dict)(weights)
    try:
        model.load_state_dict(adapted)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2]
        raise CheckpointError(f"{source} holds another network: {' '.join(first).strip()}") from None


def state_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    """A checkpoint's averaged weights, by name."""
    saved = _loaded(checkpoint, torch.device("cpu"))
    state: dict[str, torch.Tensor] = saved.get("average", saved["model"])
    return state


def _loaded(checkpoint: Path, device: torch.device) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(checkpoint, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {checkpoint}") from None
    return saved


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
    """Exponential moving average of the weights (Polyak) over the last 4 % of the steps, at most 2,000.

    A longer memory would keep early weights in the average of a short run; if the task's pictures have changed size
    since, the average is then far worse than the last weights. `torch.optim.swa_utils.AveragedModel` does not fit: its
    decay is constant, and its `state_dict` differs from that of the model, which checkpoints hold.
    """
    decay = 1 - 1 / min(2000, 1 + step / 25)
    for mean, value in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


def _described(figures: Mapping[str, float]) -> str:
    return " ".join(f"{name}={value:.4f}" for name, value in figures.items())
