"""The attributes network: one small residual trunk, four heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from training.attributes.labels import HEADS

LEAST_ROWS: Final = 10
"""Least number of held-out rows per class for fitting offsets."""


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016; pooled shortcut as in He et al. 2019)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            last := nn.BatchNorm2d(outputs),
        )
        nn.init.zeros_(last.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(3, stride, 1), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.main(x) + self.shortcut(x))


class Network(nn.Module):
    """FP32 [B, 3, H, W], blue-green-red, 0 to 255 (H and W multiples of 32) to logits, by head.

    The heads see the averaged features of the last two stages: the finer one shows colours and badges, the coarser one
    shapes.
    """

    def __init__(self, sizes: Mapping[str, int], widths: tuple[int, int, int, int] = (64, 128, 192, 256)) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.fine = nn.Sequential(
            Block(32, first, 2), Block(first, second, 2), Block(second, third, 2), Block(third, third, 1)
        )
        self.coarse = Block(third, fourth, 2)
        self.dropout = nn.Dropout(0.2)
        self.heads = nn.ModuleList([nn.Linear(third + fourth, sizes[head]) for head in HEADS])

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        fine = self.fine(self.stem((images - 114.0) / 58.0))
        coarse = self.coarse(fine)
        pooled = self.dropout(torch.cat([fine.mean(dim=(2, 3)), coarse.mean(dim=(2, 3))], dim=1))
        return {head: layer(pooled).float() for head, layer in zip(HEADS, self.heads, strict=True)}


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrates a head: its probabilities are the softmax of `logits / temperature + offsets`."""

    temperature: float
    offsets: tuple[float, ...]


class Served(nn.Module):
    """What Triton serves: UINT8 [B, 128, 160, 3] to calibrated probabilities of each head."""

    def __init__(self, network: nn.Module, calibrations: Mapping[str, Calibration]) -> None:
        super().__init__()
        self.network = network
        self.temperatures = {head: calibrations[head].temperature for head in HEADS}
        self.offsets = {head: torch.tensor(calibrations[head].offsets) for head in HEADS}

    def forward(self, vehicle: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits = self.network(vehicle.float().permute(0, 3, 1, 2))
        return tuple(
            torch.softmax(logits[head] / self.temperatures[head] + self.offsets[head], dim=1) for head in HEADS
        )


def set_losses(logits: torch.Tensor, admissible: torch.Tensor, smoothing: torch.Tensor) -> torch.Tensor:
    """Loss of each row, shape [B]: see `training.attributes.labels`.

    `logits` [B, C]; `admissible` BOOL [B, C]; `smoothing` [B], the share of the cross entropy with the uniform
    distribution.
    """
    log_probabilities = functional.log_softmax(logits, dim=1)
    in_set = torch.logsumexp(log_probabilities.masked_fill(~admissible, -torch.inf), dim=1)
    # The loss of an unlabelled row is exactly zero, despite rounding.
    in_set = torch.where(admissible.all(dim=1), torch.zeros_like(in_set), in_set)
    return -(1 - smoothing) * in_set - smoothing * log_probabilities.mean(dim=1)


def pooled_by(logits: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Logits of groups of classes, [B, G], from the classes' [B, C]; `groups`, INT64 [C], has each class's group.

    The softmax of the result is the sum of the classes' softmax over each group.
    """
    members = groups[None, :] == torch.arange(int(groups.max()) + 1, device=groups.device)[:, None]
    return torch.logsumexp(logits[:, None, :].masked_fill(~members[None], -torch.inf), dim=2)


def fit_calibration(logits: torch.Tensor, classes: torch.Tensor) -> Calibration:
    """The calibration with the least cross entropy on held-out rows (temperature and vector scaling, Guo et al. 2017).

    Training shows rare classes more often than they occur; the offsets, which are regularised towards zero, undo this.
    They stay zero with fewer than `LEAST_ROWS` rows per class; without any rows, nothing is changed.
    """
    count = logits.shape[1]
    if not len(classes) or count == 1:
        return Calibration(1.0, (0.0,) * count)
    log_temperature = torch.zeros((), requires_grad=True)
    offsets = torch.zeros(count, requires_grad=len(classes) >= LEAST_ROWS * count)
    fitted = [value for value in (log_temperature, offsets) if value.requires_grad]
    optimizer = torch.optim.LBFGS(fitted, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scaled = logits / log_temperature.exp() + offsets
        value = functional.cross_entropy(scaled, classes) + 0.01 * offsets.square().mean()
        torch.autograd.backward(value)
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return Calibration(log_temperature.exp().item(), tuple(offsets.tolist()))
