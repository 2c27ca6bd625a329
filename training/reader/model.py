"""The plate reader: plain convolutions down to a grid of 2 x 40 cells, two attention layers over them, CTC.

The two rows of the grid see the upper and the lower half of the plate. One after the other they form the 80 CTC frames,
so the upper line of a two-line plate comes first; a one-line plate may be read in either row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from training.reader.text import CHARACTERS

WIDTH = 128
ROWS, COLUMNS = 2, 40
HEADS = 4


def convolution(inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    """A 3 x 3 convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


class Residual(nn.Module):
    """Two convolutions with a shortcut around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Attention(nn.Module):
    """A pre-norm transformer layer, written with operations that every runtime supports."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(True), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        places, width = x.shape[1], x.shape[2]
        split = self.queries_keys_values(self.before(x)).reshape(-1, places, 3, self.heads, width // self.heads)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(queries @ keys.transpose(2, 3) * (width // self.heads) ** -0.5, dim=-1)
        x = x + self.mix((weights @ values).transpose(1, 2).reshape(-1, places, width))
        fed: Tensor = x + self.feed(x)
        return fed


class Reader(nn.Module):
    """UINT8 plates, shape (B, 64, 160, 3), blue-green-red, to logits: characters (B, 80, 37) and regions (B, R)."""

    def __init__(self, regions: int) -> None:
        super().__init__()
        self.regions = regions
        self.features = nn.Sequential(
            convolution(3, 32, stride=2),
            convolution(32, 32),
            convolution(32, 64, stride=2),
            Residual(64),
            Residual(64),
            convolution(64, 96, stride=(2, 1)),
            Residual(96),
            Residual(96),
            convolution(96, WIDTH, stride=(2, 1)),
            Residual(WIDTH),
            Residual(WIDTH),
            convolution(WIDTH, WIDTH, stride=(2, 1)),
        )
        self.position = nn.Parameter(torch.randn(ROWS * COLUMNS, WIDTH) * 0.02)
        self.attention = nn.Sequential(Attention(WIDTH, HEADS), Attention(WIDTH, HEADS))
        self.characters = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(CHARACTERS)))
        self.region = nn.Sequential(nn.LayerNorm(2 * WIDTH), nn.Dropout(0.1), nn.Linear(2 * WIDTH, regions))

    def adapted(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Initial weights from a reader that knows only the first regions of this one's list."""
        return with_regions(weights, self.regions)

    def forward(self, plates: Tensor) -> tuple[Tensor, Tensor]:
        # TensorRT only accepts UINT8 as the input of a cast, so nothing may come before it.
        scaled = plates.float().permute(0, 3, 1, 2) / 127.5 - 1.0
        grid = self.features(scaled).flatten(2).transpose(1, 2)
        read = self.attention(grid + self.position)
        pooled = torch.cat((grid.mean(dim=1), read.mean(dim=1)), dim=1)
        return self.characters(read), self.region(pooled)


NEW_REGION: Final = 4.0
"""By how much the logit of a new region starts below the mean of the others."""


def with_regions(weights: Mapping[str, Tensor], regions: int) -> dict[str, Tensor]:
    """The weights of a reader extended to `regions` regions: new ones come last, and start out unlikely."""
    grown = dict(weights)
    for name in ("region.2.weight", "region.2.bias"):
        value = grown[name]
        mean = value.mean(dim=0, keepdim=True) - (NEW_REGION if name.endswith("bias") else 0.0)
        grown[name] = torch.cat((value, mean.expand(max(0, regions - len(value)), *value.shape[1:])))
    return grown


class Served(nn.Module):
    """The reader as served: probabilities, with temperatures fitted on the validation split."""

    def __init__(self, reader: nn.Module, characters_temperature: float, region_temperature: float) -> None:
        super().__init__()
        self.reader = reader
        self.characters_temperature = characters_temperature
        self.region_temperature = region_temperature

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        characters, region = self.reader(plate)
        return (
            torch.softmax(characters / self.characters_temperature, dim=-1),
            torch.softmax(region / self.region_temperature, dim=-1),
        )
