"""Train the attributes model: type, colour, orientation, make and model of a vehicle crop.

python -m training.attributes --minutes 95 --threads 1
python -m training.attributes --minutes 86 --threads 1 --learning-rate 1e-3 --initial training/checkpoints/attributes.pt
python -m training.attributes --export-only
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch

from platelane.vision.crops import VEHICLE_SHAPE, Image
from training.attributes import data as views
from training.attributes.augment import varied
from training.attributes.labels import HEADS, Labels, group_models
from training.attributes.model import Calibration, Network, Served, fit_calibration, pooled_by, set_losses
from training.common import loop
from training.common.export import export, size_output
from training.data.dataset import any_of

BATCH: Final = 64
PARTS: Final = ("vehicles", "vehicles_more", "photos", "photos_more")
CALIBRATED_ON: Final = ("vehicles", "photos")
"""Not `vehicles_more`, which shows one city's traffic: its rates of types would become everybody's."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training: from which share of the budget on, what is shown, and how often.

    `cutmix` is how often pairs of pictures are mixed (Yun et al. 2019); `showing` is the weight of a head's label in
    the choice of what is shown.
    """

    start: float
    size: tuple[int, int]
    cutmix: float
    showing: Mapping[str, float]


MODELS_FIRST: Final = {"type": 0.3, "color": 0.35, "orientation": 0.25, "make_model": 1.0}
ALL_HEADS: Final = {"type": 0.45, "color": 0.7, "orientation": 0.6, "make_model": 0.35}

STAGES: Final = (
    Stage(0.0, (64, 80), 0.35, MODELS_FIRST),
    Stage(0.35, (96, 120), 0.35, MODELS_FIRST),
    Stage(0.7, VEHICLE_SHAPE[:2], 0.1, ALL_HEADS),
)
"""Small pictures first, since a step on them costs a quarter; make and model first, since it is the hardest."""

FURTHER: Final = (
    Stage(0.0, VEHICLE_SHAPE[:2], 0.6, MODELS_FIRST),
    Stage(0.6, VEHICLE_SHAPE[:2], 0.45, MODELS_FIRST),
    Stage(0.9, VEHICLE_SHAPE[:2], 0.1, ALL_HEADS),
)
"""With `--initial`, also if the run is resumed with it: small pictures would spoil what the network knows, and it has
seen each picture often."""

LOSS_WEIGHTS: Final = {"type": 1.3, "color": 1.3, "orientation": 1.0, "make_model": 1.2, "make": 0.6}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Targets:
    """What is known about a batch: for each head `admissible` BOOL [B, C] and `smoothing` FP32 [B]."""

    admissible: dict[str, torch.Tensor]
    smoothing: dict[str, torch.Tensor]

    def at(self, rows: torch.Tensor) -> Targets:
        return Targets(
            {head: values[rows] for head, values in self.admissible.items()},
            {head: values[rows] for head, values in self.smoothing.items()},
        )

    def to(self, device: torch.device) -> Targets:
        return Targets(
            {head: values.to(device) for head, values in self.admissible.items()},
            {head: values.to(device) for head, values in self.smoothing.items()},
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures UINT8 [B, H, W, 3]; `share` of each is described by `targets`, the rest by `others`."""

    images: torch.Tensor
    targets: Targets
    others: Targets
    share: float


class AttributesTask:
    """See `training.common.loop.Task`."""

    def __init__(self, chosen: loop.Options) -> None:
        self.parts = any_of(chosen.data, *PARTS)
        vehicles = [row for part in self.parts for row in part.rows("train", chosen.exclude_sets) if row.get("make")]
        self.labels = Labels(group_models(vehicles))
        if len(self.labels.models) == 1:
            log.warning("no makes and models in the data: make_model gets the single entry 'generic'")
        self.model: torch.nn.Module = Network(self.labels.sizes)
        self.makes = torch.from_numpy(self.labels.makes)
        self.held_out = {}
        for part in self.parts:
            found = views.labelled_vehicles(part, "val", self.labels, chosen.exclude_sets)
            self.held_out[part.name] = views.served_views(part, found)
        self.data: views.Views | None = None
        self.chosen = chosen

    def load(self) -> None:
        """Decode the vehicles to train on: once, before there are worker processes."""
        self.data = views.joined(
            [
                views.wide_views(part, views.labelled_vehicles(part, "train", self.labels, self.chosen.exclude_sets))
                for part in self.parts
            ]
        )
        log.info("%d vehicles to train on", len(self.data.vehicles))

    def batches(self, progress: loop.Progress, random: np.random.Generator) -> Iterator[Batch]:
        data = self.data
        assert data is not None
        targets = self.targets(data.vehicles)
        stages = FURTHER if self.chosen.initial else STAGES
        ends = [stage.start for stage in stages[1:]] + [math.inf]
        for stage, end in zip(stages, ends, strict=True):
            order = views.order(views.sampling_weights(data.vehicles, stage.showing), random)
            while progress.share < end:
                yield self._batch(data.pixels, targets, [next(order) for _ in range(BATCH)], stage, random)

    def _batch(
        self, pixels: views.Pixels, targets: Targets, rows: list[int], stage: Stage, random: np.random.Generator
    ) -> Batch:
        known = targets.at(torch.tensor(rows))
        any_color = known.admissible["color"].all(dim=1) & (known.smoothing["color"] == 0)
        wide = views.wide_size(*stage.size)
        images = np.stack(
            [
                varied(_shrunk(pixels[row], wide), *stage.size, random, any_color=any_one)
                for row, any_one in zip(rows, any_color.tolist(), strict=True)
            ]
        )
        if random.random() >= stage.cutmix:
            return Batch(torch.from_numpy(images), known, known, 1.0)
        partners = random.permutation(len(rows))
        kept = cut_in(images, images[partners], random)
        return Batch(torch.from_numpy(images), known, known.at(torch.from_numpy(partners)), kept)

    def targets(self, vehicles: list[views.Vehicle]) -> Targets:
        """What is known about the vehicles, with `make` as a fifth head that pools `make_model`."""
        admissible = {
            head: torch.from_numpy(np.stack([v.targets[head].admissible for v in vehicles])) for head in HEADS
        }
        smoothing = {
            head: torch.tensor([v.targets[head].smoothing for v in vehicles], dtype=torch.float32) for head in HEADS
        }
        members = torch.nn.functional.one_hot(self.makes).float()
        admissible["make"] = admissible["make_model"].float() @ members > 0
        smoothing["make"] = smoothing["make_model"]
        return Targets(admissible, smoothing)

    def loss(self, model: torch.nn.Module, batch: Batch, device: torch.device) -> torch.Tensor:
        logits = self.logits(model, batch.images, device)
        total = torch.zeros((), device=device)
        for targets, share in ((batch.targets, batch.share), (batch.others, 1 - batch.share)):
            if share > 0:
                known = targets.to(device)
                total = total + share * sum(
                    weight * mean_of_known(logits[head], known.admissible[head], known.smoothing[head])
                    for head, weight in LOSS_WEIGHTS.items()
                )
        return total

    def logits(self, model: torch.nn.Module, images: torch.Tensor, device: torch.device) -> dict[str, torch.Tensor]:
        """The heads' logits for UINT8 [B, H, W, 3], and those of `make`."""
        logits: dict[str, torch.Tensor] = model(images.to(device).permute(0, 3, 1, 2).float())
        return logits | {"make": pooled_by(logits["make_model"], self.makes.to(device))}

    @torch.no_grad()
    def answers(self, model: torch.nn.Module, part: str, device: torch.device) -> dict[str, torch.Tensor]:
        """Logits of every held-out vehicle of a part, by head."""
        pixels = self.held_out[part].pixels
        if not len(pixels):
            sizes = {**self.labels.sizes, "make": len(set(self.labels.makes.tolist()))}
            return {head: torch.zeros(0, sizes[head]) for head in LOSS_WEIGHTS}
        images = torch.split(torch.from_numpy(pixels), BATCH)
        batches = [self.logits(model, batch, device) for batch in images]
        return {head: torch.cat([batch[head].cpu() for batch in batches]) for head in LOSS_WEIGHTS}

    def validate(self, model: torch.nn.Module, device: torch.device) -> Mapping[str, float]:
        """Accuracy by head over all held-out vehicles, and by part; `score` is the mean of the five heads'.

        Always at the served size, so that the figures of the stages with small pictures are far too low.
        """
        correct: dict[str, list[torch.Tensor]] = {}
        for part, held_out in self.held_out.items():
            logits, targets = self.answers(model, part, device), self.targets(held_out.vehicles)
            for head, known in targets.admissible.items():
                for name, count in ((head, 1), *((("make_model_top3", 3),) if head == "make_model" else ())):
                    right = hits(logits[head], known, count)
                    correct.setdefault(name, []).append(right)
                    correct.setdefault(f"{part}.{name}", []).append(right)
        figures = {name: float(torch.cat(h).float().mean()) for name, h in correct.items() if sum(map(len, h))}
        if not figures:
            return {}
        return {"score": float(np.mean([figures[head] for head in LOSS_WEIGHTS if head in figures])), **figures}

    def calibrations(self, model: torch.nn.Module, device: torch.device) -> dict[str, Calibration]:
        """What makes each head's scores on held-out vehicles honest."""
        rows: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {head: [] for head in HEADS}
        for part in (name for name in CALIBRATED_ON if name in self.held_out):
            logits, targets = self.answers(model, part, device), self.targets(self.held_out[part].vehicles)
            for head in HEADS:
                single = one_known(targets.admissible[head])
                rows[head].append((logits[head][single], targets.admissible[head][single].int().argmax(dim=1)))
        return {
            head: fit_calibration(torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs]))
            for head, pairs in rows.items()
        }


def mean_of_known(logits: torch.Tensor, admissible: torch.Tensor, smoothing: torch.Tensor) -> torch.Tensor:
    """Mean loss of the rows about which anything is known; zero where there is none."""
    known = ~admissible.all(dim=1) | (smoothing > 0)
    return set_losses(logits, admissible, smoothing).sum() / known.sum().clamp(min=1)


def one_known(admissible: torch.Tensor) -> torch.Tensor:
    """The rows of which one class, among several, is known to be right, BOOL [N]."""
    return (admissible.sum(dim=1) == 1) & (admissible.shape[1] > 1)


def hits(logits: torch.Tensor, admissible: torch.Tensor, count: int) -> torch.Tensor:
    """Whether the known class is among the `count` likeliest, for the rows where one class is known, BOOL [N]."""
    single = one_known(admissible)
    best = logits[single].topk(min(count, logits.shape[1]), dim=1).indices
    return admissible[single].gather(1, best).any(dim=1)


def cut_in(images: views.Pixels, others: views.Pixels, random: np.random.Generator) -> float:
    """Paste the same rectangle of the others into the images; returns the share of the images that is left."""
    height, width = images.shape[1:3]
    side = np.sqrt(random.uniform(0.1, 0.6))
    h, w = round(height * side), round(width * side)
    y, x = int(random.integers(height - h + 1)), int(random.integers(width - w + 1))
    images[:, y : y + h, x : x + w] = others[:, y : y + h, x : x + w]
    return float(1 - h * w / (height * width))


def _shrunk(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)


def write(task: AttributesTask, network: Network, folder: Path) -> None:
    """Export it with its labels into a folder of the model repository."""
    calibrations = task.calibrations(network.eval(), torch.device("cpu"))
    log.info("%s", calibrations)
    example = torch.zeros((1, *VEHICLE_SHAPE), dtype=torch.uint8)
    for head, size in task.labels.sizes.items():
        size_output(folder / "config.pbtxt", head, size)
    export(Served(network, calibrations), example, folder / "1" / "model.onnx", "vehicle", HEADS)
    task.labels.write(folder)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = loop.parser(__doc__, "attributes", minutes=95, learning_rate=2e-3)
    parser.set_defaults(weight_decay=0.05)
    chosen = loop.options(parser.parse_args())
    device = loop.prepare(chosen)
    task = AttributesTask(chosen)
    if not chosen.export_only:
        task.load()
        loop.train(task, chosen, device)
    network = Network(task.labels.sizes)
    network.load_state_dict(loop.trained(chosen))
    write(task, network, chosen.model)
