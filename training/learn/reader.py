"""Trains the reader on the user's plates, starting from the served file, and blends the result with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from platelane.vision.crops import PLATE_SHAPE, rectify_plate
from training.common import loop
from training.common.folded import Weights, folded, softening, verified, weights_of
from training.learn import probe
from training.reader.augment import augmented
from training.reader.model import Reader, Served, with_regions
from training.reader.samples import Sample, allowed_regions
from training.reader.synthetic import SyntheticPlates
from training.reader.train import REGION_WEIGHT, Targets, region_loss, targets_of, text_loss

BATCH: Final = 48
DRAWN: Final = 0.6
"""Share of drawn plates, throughout the training."""
IN_DRAWN_SURROUNDINGS: Final = 0.5
"""Share of the drawn plates whose surroundings are not those of own plates."""
SEVERITY: Final = 0.7
BLENDS: Final = (0.25, 1 / 3, 0.5, 2 / 3, 1.0)
"""Shares of the learnt weights in the blends that are tried; the rest are the served weights."""
KEPT: Final = 1.0
"""Weight of the loss that keeps the served regions of guard plates."""
KEPT_TEXTS: Final = 3.0
"""Weight of the loss that keeps their served texts."""
GUARDED: Final = 16
"""Additional guard plates in each batch."""
REGION_LAYER: Final = "region.2"
Answers = tuple[Tensor, Tensor]
"""Logits of characters (N, 80, 37) and of regions (N, R)."""


@dataclass(frozen=True, slots=True)
class OwnBatch:
    """Plates (B + G, 64, 160, 3), of which the last G are guard plates, and the targets of the first B."""

    plates: Tensor
    known: Targets


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """The served reader, prepared for training: its regions and the new ones, its weights and temperatures."""

    regions: tuple[str, ...]
    new: int
    """How many of the regions, the last ones, are new."""
    weights: Weights
    temperatures: tuple[float, float]

    @classmethod
    def of(cls, file: Path, known: Sequence[str], new: Sequence[str]) -> StartingPoint:
        """Raises CheckpointError if the file holds another network."""
        weights = weights_of(file, folded(Reader(len(known))), "reader")
        weights = with_regions(weights, len(known) + len(new))
        softer = softening(file)
        result = cls((*known, *new), len(new), weights, (softer["characters"][0], softer["region"][0]))
        if not new:
            example = torch.zeros((2, *PLATE_SHAPE), dtype=torch.uint8)
            verified(Served(result.network(), *result.temperatures), file, example)
        return result

    def probed(self, samples: Sequence[Sample], random: np.random.Generator) -> StartingPoint:
        """With the new regions' weights fitted to plates of these and other regions."""
        plates = [augmented(one.image, _some_cut(one, random), SEVERITY * random.random(), random) for one in samples]
        batches = (torch.from_numpy(np.stack(plates[i : i + BATCH])) for i in range(0, len(plates), BATCH))
        seen = probe.inputs_of(REGION_LAYER, self.network(), batches)
        allowed = torch.from_numpy(np.stack([allowed_regions(sample.region, self.regions) for sample in samples]))
        return replace(self, weights=probe.probed(REGION_LAYER, self.weights, self.new, seen, allowed))

    def network(self, weights: Weights | None = None) -> nn.Module:
        """The network with these weights, by default the initial ones."""
        model = folded(Reader(len(self.regions))).eval()
        model.load_state_dict(weights or self.weights)
        return model


class OwnPlatesTask:
    """A `training.common.loop.Task`: four of ten plates are own ones, the others are drawn, of all regions.

    Both are cut as the served models cut them, and degraded. Additional guard plates must be read as the served reader
    reads them (distillation: Li and Hoiem, Learning without Forgetting, 2016).
    """

    def __init__(self, start: StartingPoint, train: Sequence[Sample], guard: Sequence[Sample] = ()) -> None:
        self.model: nn.Module = start.network()
        self.served = start.network().requires_grad_(False)
        self.train, self.guard = train, guard
        self.regions = start.regions
        self._allowed: dict[str, NDArray[np.bool_]] = {}

    def batches(
        self,
        progress: loop.Progress,  # noqa: ARG002 - as hard from the first step on
        random: np.random.Generator,
    ) -> Iterator[OwnBatch]:
        drawn = SyntheticPlates.over(self.train, IN_DRAWN_SURROUNDINGS)
        chances = by_text(self.train)
        while True:
            count = int(random.binomial(BATCH, DRAWN))
            chosen = [self.train[i] for i in random.choice(len(self.train), BATCH - count, p=chances).tolist()]
            chosen += [drawn.sample(SEVERITY, random) for _ in range(count)]
            guarded = random.choice(len(self.guard), GUARDED).tolist() if self.guard else []
            plates = [
                augmented(one.image, _some_cut(one, random), SEVERITY * random.random(), random)
                for one in (*chosen, *(self.guard[i] for i in guarded))
            ]
            yield OwnBatch(torch.from_numpy(np.stack(plates)), self.targets(chosen))

    def loss(self, model: nn.Module, batch: OwnBatch, device: torch.device) -> Tensor:
        plates, known = batch.plates.to(device), batch.known
        labelled = len(known.lengths)
        characters, regions = model(plates)
        texts = text_loss(characters[:labelled], known.classes.to(device), known.lengths)
        loss: Tensor = texts + REGION_WEIGHT * region_loss(regions[:labelled], known.regions.to(device))
        if len(plates) > labelled:
            with torch.no_grad():
                old_characters, old_regions = self.served.to(device)(plates[labelled:])
            loss = loss + KEPT * divergence(regions[labelled:], old_regions).mean()
            loss = loss + KEPT_TEXTS * divergence(characters[labelled:], old_characters).mean()
        return loss

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:  # noqa: ARG002
        """Nothing: the weights are chosen among blends after the training."""
        return {}

    def targets(self, samples: Sequence[Sample]) -> Targets:
        """The targets of labelled samples. Measured ones may have codes that no training sample has, such as `us`."""
        for code in {sample.region for sample in samples} - self._allowed.keys():
            self._allowed[code] = allowed_regions(code, self.regions)
        return targets_of(samples, self._allowed)


def divergence(logits: Tensor, served: Tensor) -> Tensor:
    """Kullback-Leibler divergence of distributions (..., C) from the served ones; shape (...)."""
    before = served.float().log_softmax(dim=-1)
    return (before.exp() * (before - logits.float().log_softmax(dim=-1))).sum(dim=-1)


def by_text(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Sampling probabilities: a plate with many photographs is shown somewhat more often, but not proportionally."""
    counts: dict[tuple[int, ...] | None, int] = {}
    for sample in samples:
        counts[sample.classes] = counts.get(sample.classes, 0) + 1
    raw = np.array([counts[sample.classes] ** -0.5 for sample in samples])
    return np.asarray(raw / raw.sum(), np.float64)


def blended(start: Weights, learnt: Weights, share: float) -> Weights:
    """The weighted mean of two sets of weights, with `share` for the learnt ones."""
    return {name: value + share * (learnt[name] - value) for name, value in start.items()}


def answers(model: nn.Module, samples: Sequence[Sample], device: torch.device) -> Answers:
    """The logits of every sample, cut by its first corners."""
    characters, regions = [], []
    with torch.inference_mode():
        for first in range(0, len(samples), BATCH):
            one, other = model(torch.from_numpy(crops(samples[first : first + BATCH])).to(device))
            characters.append(one.float().cpu())
            regions.append(other.float().cpu())
    return torch.cat(characters), torch.cat(regions)


def crops(samples: Sequence[Sample]) -> NDArray[np.uint8]:
    """The crops (N, 64, 160, 3) that the server makes first."""
    return np.stack([rectify_plate(sample.image, sample.corners) for sample in samples])


def softened(answered: Answers, temperatures: tuple[float, float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The logits as the served distributions, by temperature scaling."""
    one, other = (torch.softmax(logits / t, dim=-1).numpy() for logits, t in zip(answered, temperatures, strict=True))
    return one, other


def _some_cut(sample: Sample, random: np.random.Generator) -> NDArray[np.float32]:
    return sample.cuts[random.integers(len(sample.cuts))] if sample.cuts else sample.corners
