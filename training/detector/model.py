"""The detector's network: plates with four corners and vehicles, in one pass over a picture of any size.

Plain 3x3 and 1x1 convolutions with batch normalisation and ReLU (they fuse into the convolution and quantise well) in
cross-stage-partial blocks, a feature pyramid down and up again, and three levels of strides 8, 16 and 32 without
anchors. Every cell predicts a score per class, which means "there is such an object, and this box fits it"; the
distances from the cell's centre to the four sides; and the plate's corners relative to that box.
"""

from __future__ import annotations

from typing import Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.dataset import VEHICLE_CLASSES

LABELS: Final = ("plate", *VEHICLE_CLASSES)
"""Class names by index; all but the first are vehicles."""

PLATE: Final = 0
STRIDES: Final = (8, 16, 32)

Widths = tuple[int, int, int]
"""Channels at strides 8, 16 and 32."""

WIDTHS: Final[Widths] = (64, 96, 128)
"""Channels of neck and heads: plates are small and look alike, vehicles are large and diverse."""

TOP_K: Final = 128
OUTPUTS: Final = ("boxes", "scores", "classes", "corners")
"""Names of the exported graph's outputs, in the order in which `Decoder` gives them."""

CORNERS_OF_BOX: Final = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)
"""x, y of the box's own corners in units of the box, clockwise from the upper left."""


class Predictions(NamedTuple):
    """The predictions of every cell of every level, in FP32; A cells in total."""

    logits: Tensor
    """Shape (B, A, 5): class scores before the sigmoid."""
    boxes: Tensor
    """Shape (B, A, 4): xmin, ymin, xmax, ymax in input pixels."""
    corners: Tensor
    """Shape (B, A, 8): x, y of four corners in units of the box, (0, 0) its upper left."""
    points: Tensor
    """Shape (A, 2): centres of the cells in input pixels."""


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = ConvUnit(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(self.first(x))
        return x + change


class PartialBlock(nn.Module):
    """Cross-stage-partial block: half of the channels pass through residuals, the other half past them."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__()
        hidden = outputs // 2
        self.split = ConvUnit(inputs, 2 * hidden, 1)
        self.residuals = nn.Sequential(*(Residual(hidden) for _ in range(depth)))
        self.merge = ConvUnit(2 * hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        past, through = self.split(x).chunk(2, dim=1)
        merged: Tensor = self.merge(torch.cat([past, self.residuals(through)], dim=1))
        return merged


class PoolingPyramid(nn.Module):
    """Context of growing reach: the same 5x5 maximum applied up to three times, all of them concatenated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.reduce = ConvUnit(channels, hidden, 1)
        self.expand = ConvUnit(4 * hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [self.reduce(x)]
        for _ in range(3):
            levels.append(functional.max_pool2d(levels[-1], 5, 1, 2))
        expanded: Tensor = self.expand(torch.cat(levels, dim=1))
        return expanded


class Backbone(nn.Module):
    """Feature maps of strides 8, 16 and 32 with 64, 128 and 192 channels."""

    channels: Final[Widths] = (64, 128, 192)

    def __init__(self) -> None:
        super().__init__()
        self.stride4 = nn.Sequential(ConvUnit(3, 16, stride=2), ConvUnit(16, 32, stride=2), PartialBlock(32, 32, 1))
        self.stride8 = nn.Sequential(ConvUnit(32, 64, stride=2), PartialBlock(64, 64, 2))
        self.stride16 = nn.Sequential(ConvUnit(64, 128, stride=2), PartialBlock(128, 128, 4))
        self.stride32 = nn.Sequential(ConvUnit(128, 192, stride=2), PartialBlock(192, 192, 3), PoolingPyramid(192))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.stride8(self.stride4(x))
        middle = self.stride16(fine)
        return fine, middle, self.stride32(middle)


class Neck(nn.Module):
    """Coarse context flows down to the fine level and fine detail back up."""

    def __init__(self, inputs: Widths, widths: Widths) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.lateral = nn.ModuleList(ConvUnit(*channels, 1) for channels in zip(inputs, widths, strict=True))
        self.down = nn.ModuleList([PartialBlock(middle + coarse, middle, 2), PartialBlock(fine + middle, fine, 1)])
        self.shrink = nn.ModuleList([ConvUnit(fine, fine, stride=2), ConvUnit(middle, middle, stride=2)])
        self.up = nn.ModuleList([PartialBlock(middle + fine, middle, 2), PartialBlock(coarse + middle, coarse, 2)])

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        fine, middle, coarse = (lateral(level) for lateral, level in zip(self.lateral, levels, strict=True))
        middle = self.down[0](torch.cat([middle, _enlarged(coarse)], dim=1))
        fine = self.down[1](torch.cat([fine, _enlarged(middle)], dim=1))
        middle = self.up[0](torch.cat([middle, self.shrink[0](fine)], dim=1))
        coarse = self.up[1](torch.cat([coarse, self.shrink[1](middle)], dim=1))
        return fine, middle, coarse


class Head(nn.Module):
    """One level's predictions: one branch for the classes, one for box and corners."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.classes = nn.Sequential(ConvUnit(width, width), nn.Conv2d(width, len(LABELS), 1))
        self.shapes = nn.Sequential(ConvUnit(width, width), nn.Conv2d(width, 12, 1))
        # Few cells hold an object: start from a score of 1 %, so that the background does not drown the first steps.
        nn.init.constant_(self.classes[1].bias, -4.6)  # type: ignore[arg-type]
        nn.init.zeros_(self.shapes[1].bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (B, cells, 5) and raw sides and corners (B, cells, 12)."""
        logits, shapes = _precise(self.classes, x), _precise(self.shapes, x)
        return logits.flatten(2).transpose(1, 2), shapes.flatten(2).transpose(1, 2)


class Detector(nn.Module):
    """UINT8 pictures in, one prediction per cell out."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck(self.backbone.channels, WIDTHS)
        self.heads = nn.ModuleList(Head(width) for width in WIDTHS)

    def forward(self, image: Tensor) -> Predictions:
        """`image` is UINT8 of shape (B, H, W, 3), blue-green-red; H and W are multiples of 32."""
        # TensorRT only accepts UINT8 as the input of a cast, so nothing may come before it.
        x = image.float().permute(0, 3, 1, 2) * (1 / 128) - 1
        levels = self.neck(self.backbone(x))
        parts = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        points, strides = _cells(levels)
        logits = torch.cat([logits for logits, _ in parts], dim=1).float()
        shapes = torch.cat([shapes for _, shapes in parts], dim=1).float()
        # One unit is two cells; the limit (a side of 400 cells) only keeps early, wild predictions finite.
        reach = shapes[..., :4].clamp(max=5.3).exp() * (2 * strides)
        boxes = torch.cat([points - reach[..., :2], points + reach[..., 2:]], dim=-1)
        corners = shapes[..., 4:] * 0.25 + shapes.new_tensor(CORNERS_OF_BOX)
        return Predictions(logits, boxes, corners, points)


class Decoder(nn.Module):
    """The exported graph: a detector, followed by the selection of its best cells.

    Outputs, K best by score, descending: boxes (B, K, 4) in input pixels, scores (B, K), classes (B, K) INT64 into
    `LABELS`, corners (B, K, 8) in input pixels: the plate's, or the box's own for vehicles.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = self.detector(image)
        best, classes = found.logits.max(dim=-1)
        best, cells = best.topk(TOP_K, dim=1)
        classes = classes.gather(1, cells)
        boxes = _picked(found.boxes, cells)
        own = boxes.new_tensor(CORNERS_OF_BOX)
        units = torch.where((classes == PLATE).unsqueeze(-1), _picked(found.corners, cells), own)
        origin, size = boxes[..., :2], boxes[..., 2:] - boxes[..., :2]
        corners = origin.repeat(1, 1, 4) + units * size.repeat(1, 1, 4)
        return boxes, best.sigmoid(), classes, corners


def _picked(values: Tensor, cells: Tensor) -> Tensor:
    """The rows of `values` (B, A, n) named by `cells` (B, K)."""
    return values.gather(1, cells.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def _precise(branch: nn.Sequential, x: Tensor) -> Tensor:
    """The branch with its last layer in FP32: half precision would round sides by whole pixels."""
    features = branch[0](x)
    with torch.autocast(x.device.type, enabled=False):
        return cast(Tensor, branch[1](features.float()))


def _enlarged(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _cells(levels: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) of all levels' cells in input pixels, and their strides (A, 1)."""
    points, strides = [], []
    for level, stride in zip(levels, STRIDES, strict=True):
        height, width = level.shape[2:]
        y = (torch.arange(height, device=level.device, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(width, device=level.device, dtype=torch.float32) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres = torch.stack([grid_x, grid_y], dim=-1).reshape(-1, 2)
        points.append(centres)
        strides.append(torch.full_like(centres[:, :1], stride))
    return torch.cat(points), torch.cat(strides)
