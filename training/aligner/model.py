"""The aligner's network: finds a plate's exact corners in its crop.

The detector's corners are some pixels off, because it looks at whole photographs. A plate straightened by these corners
fills its crop and always looks much the same, so the remaining error is easy to see. This is the second step of a
cascade of regressions (Cao et al., "Face alignment by explicit shape regression", 2012).
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from platelane.vision.crops import ALIGNER_MARGIN, corners_in_crop
from training.reader.model import Residual, convolution

GRID: Final = (4, 10)
"""Rows and columns of the last feature map: one cell for each part of the plate's border."""
UNIT: Final = 8.0
"""Pixels of the crop that correspond to an output of 1."""


class Aligner(nn.Module):
    """UINT8 crops (B, 64, 160, 3), blue-green-red, to corners (B, 4, 2) in pixels of the crop."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(3, 16, stride=2),
            convolution(16, 32, stride=2),
            Residual(32),
            convolution(32, 64, stride=2),
            Residual(64),
            Residual(64),
            convolution(64, 96, stride=2),
            Residual(96),
            nn.Conv2d(96, 48, 1),
            nn.ReLU(True),
        )
        self.corners = nn.Sequential(
            nn.Flatten(), nn.Linear(48 * GRID[0] * GRID[1], 128), nn.ReLU(True), nn.Linear(128, 8)
        )
        self.register_buffer("expected", torch.from_numpy(corners_in_crop(ALIGNER_MARGIN)), persistent=False)
        # the initial guess is that the given corners are right
        nn.init.zeros_(self.corners[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.corners[-1].bias)  # type: ignore[arg-type]

    def forward(self, plates: Tensor) -> Tensor:
        # TensorRT only accepts UINT8 as the input of a cast, so nothing may come before it.
        scaled = plates.float().permute(0, 3, 1, 2) / 127.5 - 1.0
        moved = self.corners(self.features(scaled)).float().reshape(-1, 4, 2)
        corners: Tensor = self.expected + UNIT * moved
        return corners
