"""The detector's loss: which cell is responsible for which object, and how wrong it is.

Task-aligned assignment (TOOD, Feng et al. 2021): an object is assigned to the cells inside it that already score and
fit it best. Scores learn the quality of the fit by cross-entropy, boxes by complete IoU (Zheng et al. 2020), corners by
smooth L1 in units of the plate. Anything that is not labelled is left out of the loss.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from training.detector.model import LABELS, PLATE, Predictions

VEHICLE: Final = len(LABELS)
"""Class index of a labelled vehicle of unknown class."""

NOTHING: Final = -1
"""Class index that pads the targets of a batch."""

CELLS_PER_OBJECT: Final = 10
SMALLEST_REACH: Final = 6.0
"""Cells up to this many pixels from an object's centre may be assigned to it, however small it is."""


class Targets(NamedTuple):
    """A batch's labels, padded to N objects and M ignored boxes a picture."""

    boxes: Tensor
    """Shape (B, N, 4): xmin, ymin, xmax, ymax in input pixels."""
    classes: Tensor
    """Shape (B, N), INT64: index into `LABELS`, `VEHICLE` or `NOTHING`."""
    corners: Tensor
    """Shape (B, N, 8): plate corners in input pixels, NaN if unknown."""
    ignored: Tensor
    """Shape (B, M, 4): areas in which one group of classes is not labelled; empty boxes pad."""
    ignored_groups: Tensor
    """Shape (B, M), INT64: 0 for plates, 1 for vehicles."""


class Assignment(NamedTuple):
    """The object that each cell is assigned to."""

    objects: Tensor
    """Shape (B, A), INT64: index of the object; 0 if there is none."""
    quality: Tensor
    """Shape (B, A): the target score of the cell; 0 without an object."""


def detection_loss(found: Predictions, targets: Targets) -> Tensor:
    """The scalar to minimise for one batch."""
    assignment = assign(found, targets)
    score, weight = score_targets(found, targets, assignment)
    total = assignment.quality.sum().clamp(min=1.0)

    # No focal weights: with them, a short training leaves the background at scores of 0.2 to 0.4.
    crosses = functional.binary_cross_entropy_with_logits(found.logits, score, reduction="none")
    score_loss = (crosses * weight).sum() / total

    chosen = assignment.quality > 0
    if not bool(chosen.any()):
        return score_loss
    quality = assignment.quality[chosen]
    boxes = _of_objects(targets.boxes, assignment.objects)[chosen]
    box_loss = ((1 - complete_iou(found.boxes[chosen], boxes)) * quality).sum() / total
    corner_loss = _corner_loss(found, targets, assignment, chosen, boxes)
    return score_loss + 2.5 * box_loss + corner_loss


@torch.no_grad()
def assign(found: Predictions, targets: Targets) -> Assignment:
    """Assign every object to the best cells inside it, and every cell to at most one object."""
    inside = _inside(found.points, _reachable(targets.boxes)) & (targets.classes != NOTHING).unsqueeze(-1)
    fit = iou(targets.boxes.unsqueeze(2), found.boxes.unsqueeze(1)) * inside
    alignment = _class_scores(found, targets.classes).sqrt() * fit.pow(6)

    best = alignment.topk(min(CELLS_PER_OBJECT, alignment.shape[-1]), dim=-1)
    candidate = torch.zeros_like(inside).scatter_(-1, best.indices, True) & inside & (fit > 0)
    fit_if_candidate = fit * candidate
    overlap, objects = fit_if_candidate.max(dim=1)
    wins = candidate & (torch.arange(candidate.shape[1], device=objects.device).view(1, -1, 1) == objects.unsqueeze(1))

    alignment = alignment * wins
    scale = (fit * wins).amax(dim=-1, keepdim=True) / alignment.amax(dim=-1, keepdim=True).clamp(min=1e-12)
    quality = (alignment * scale).amax(dim=1).clamp(max=1.0)
    return Assignment(objects, torch.where(overlap > 0, quality.clamp(min=1e-3), 0.0))


@torch.no_grad()
def score_targets(found: Predictions, targets: Targets, assignment: Assignment) -> tuple[Tensor, Tensor]:
    """The target scores and their weights, both (B, A, 5); weights are 0 where the truth is unknown."""
    classes = targets.classes.gather(1, assignment.objects)
    chosen = assignment.quality > 0
    unsure = chosen & (classes == VEHICLE)
    likely = found.logits[..., 1:].argmax(dim=-1) + 1
    classes = torch.where(unsure, likely, torch.where(chosen, classes, PLATE))
    score = functional.one_hot(classes, len(LABELS)) * assignment.quality.unsqueeze(-1)

    known = ~_ignored(found.points, targets)
    weight = torch.cat([known[:, :1], known[:, 1:].expand(-1, len(LABELS) - 1, -1)], dim=1).transpose(1, 2).float()
    # A vehicle of unknown class: train only the class that already scores highest, and ignore the others.
    weight[..., 1:] *= (~unsure).unsqueeze(-1)
    return score, torch.where(score > 0, 1.0, weight)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4), broadcast against each other."""
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(dim=-1)
    union = _area(a) + _area(b) - overlap
    return overlap / union.clamp(min=1e-9)


def complete_iou(predicted: Tensor, actual: Tensor) -> Tensor:
    """CIoU (Zheng et al. 2020): IoU minus penalties for distant centres and different aspect ratios.

    Boxes (n, 4), result (n,). torchvision has it too, but needs a version that matches each build of PyTorch.
    """
    hull = torch.maximum(predicted[:, 2:], actual[:, 2:]) - torch.minimum(predicted[:, :2], actual[:, :2])
    diagonal = hull.square().sum(dim=-1).clamp(min=1e-9)
    apart = ((predicted[:, :2] + predicted[:, 2:] - actual[:, :2] - actual[:, 2:]) / 2).square().sum(dim=-1)
    aspect = (4 / math.pi**2) * (_slope(actual) - _slope(predicted)).square()
    overlap = iou(predicted, actual)
    with torch.no_grad():
        balance = aspect / (1 - overlap + aspect).clamp(min=1e-9)
    return overlap - apart / diagonal - balance * aspect


def _corner_loss(found: Predictions, targets: Targets, assignment: Assignment, chosen: Tensor, boxes: Tensor) -> Tensor:
    """Smooth L1 between predicted and labelled corners in units of the labelled box."""
    corners = _of_objects(targets.corners, assignment.objects)[chosen]
    plate = targets.classes.gather(1, assignment.objects)[chosen] == PLATE
    known = plate & ~corners.isnan().any(dim=-1)
    if not bool(known.any()):
        return boxes.new_zeros(())
    predicted = found.boxes[chosen][known].detach()
    actual = boxes[known]
    origin, size = predicted[:, :2].repeat(1, 4), (predicted[:, 2:] - predicted[:, :2]).repeat(1, 4)
    unit = (actual[:, 2:] - actual[:, :2]).clamp(min=1.0).repeat(1, 4)
    error = (origin + found.corners[chosen][known] * size - corners[known]) / unit
    quality = assignment.quality[chosen][known]
    distance = functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.05, reduction="none").mean(dim=-1)
    return 6.0 * (distance * quality).sum() / quality.sum().clamp(min=1.0)


def _class_scores(found: Predictions, classes: Tensor) -> Tensor:
    """Each cell's score for each object's class (B, N, A); if the class is unknown, the best vehicle score."""
    scores = found.logits.sigmoid()
    scores = torch.cat([scores, scores[..., 1:].amax(dim=-1, keepdim=True)], dim=-1).transpose(1, 2)
    return scores.gather(1, classes.clamp(min=0).unsqueeze(-1).expand(-1, -1, scores.shape[-1]))


def _ignored(points: Tensor, targets: Targets) -> Tensor:
    """Shape (B, 2, A): cells that are ignored for plates (0) or vehicles (1).

    These are the cells inside an ignored area, except inside labelled objects that lie within a larger ignored area.
    """
    plate = targets.classes == PLATE
    vehicle = (targets.classes != NOTHING) & ~plate
    return torch.stack(
        [
            _smallest(points, targets.ignored, targets.ignored_groups == group)
            < _smallest(points, targets.boxes, labelled)
            for group, labelled in enumerate((plate, vehicle))
        ],
        dim=1,
    )


def _smallest(points: Tensor, boxes: Tensor, wanted: Tensor) -> Tensor:
    """Area (B, A) of the smallest wanted box around each point; infinite if there is none."""
    around = _inside(points, boxes) & wanted.unsqueeze(-1)
    areas = torch.where(around, _area(boxes).unsqueeze(-1), math.inf)
    return torch.cat([areas, areas.new_full((areas.shape[0], 1, areas.shape[2]), math.inf)], dim=1).amin(dim=1)


def _inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Shape (B, N, A): whether each point lies inside each box."""
    low, high = boxes[..., None, :2], boxes[..., None, 2:]
    return ((points > low) & (points < high)).all(dim=-1)


def _reachable(boxes: Tensor) -> Tensor:
    """The boxes; those too small to contain the centre of a cell are enlarged."""
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = ((boxes[..., 2:] - boxes[..., :2]) / 2).clamp(min=SMALLEST_REACH)
    return torch.cat([center - half, center + half], dim=-1)


def _of_objects(values: Tensor, objects: Tensor) -> Tensor:
    """For each cell, the row of `values` (B, N, n) of its object."""
    return values.gather(1, objects.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def _slope(boxes: Tensor) -> Tensor:
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6)
    return torch.atan(size[:, 0] / size[:, 1])
