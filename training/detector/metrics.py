"""Runs a trained detector on photographs, and measures its recall and precision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
import torch

from detector.detections import Detections
from detector.search import PLATE_NMS, VEHICLE_NMS
from platelane.vision.crops import Image, frame_canvas, letterbox
from platelane.vision.geometry import Corners
from training.detector.model import OUTPUTS, Decoder, Detector
from training.detector.scenes import Floats, Integers, Scene
from training.synthesis.paste import sides

BATCH: Final = 8
SAME: Final = 0.5
"""Least IoU of a detection with the labelled object."""


def detect(
    model: Detector,
    images: Sequence[Image],
    device: torch.device,
    shrink: int = 1,
    least_score: float = 0.02,
) -> Iterator[tuple[int, Detections]]:
    """For each picture, its index and its detections in its pixels, best first; sorted by canvas.

    `shrink` divides the size of the canvas: 2 shows everything half as large.
    """
    decoder = Decoder(model).eval()
    canvases = [frame_canvas(*image.shape[:2]) for image in images]
    for canvas, members in groupby(sorted(range(len(images)), key=lambda i: canvases[i]), key=lambda i: canvases[i]):
        indices = list(members)
        size = (canvas[0] // shrink // 32 * 32, canvas[1] // shrink // 32 * 32)
        for start in range(0, len(indices), BATCH):
            chosen = indices[start : start + BATCH]
            fitted = [letterbox(images[i], size) for i in chosen]
            batch = torch.from_numpy(np.stack([image for image, _ in fitted])).to(device)
            with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
                outputs = dict(zip(OUTPUTS, (output.cpu().numpy() for output in decoder(batch)), strict=True))
            for index, (_, fit), found in zip(chosen, fitted, Detections.of_outputs(outputs), strict=True):
                yield index, nms(found.above(least_score).in_picture(fit))


def nms(found: Detections) -> Detections:
    """Non-maximum suppression as in serving, separately for plates and vehicles; best first."""
    kept = [found.plates.nms(*PLATE_NMS), found.vehicles.nms(VEHICLE_NMS)]
    both = Detections.concatenated(kept)
    return both[np.argsort(-both.scores, kind="stable")]


def overlaps_of(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box in `a` (n, 4) with every box in `b` (m, 4), shape (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area_a, area_b = (np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (a, b))
    overlaps: Floats = (shared / np.maximum(area_a[:, None] + area_b[None] - shared, 1e-9)).astype(np.float32)
    return overlaps


def matched(boxes: Floats, truth: Floats) -> Integers:
    """For each box, best first, the unmatched true box with the highest IoU, at least 0.5; or -1."""
    overlaps = overlaps_of(boxes, truth)
    matches = np.full(len(boxes), -1, np.int64)
    if len(truth) == 0:
        return matches
    for index, row in enumerate(overlaps):
        best = int(row.argmax())
        if row[best] >= SAME:
            matches[index] = best
            overlaps[:, best] = 0
    return matches


@dataclass(slots=True)
class Tally:
    """True and false detections of one group of classes over many pictures."""

    objects: int = 0
    scores: list[float] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)

    def add(self, found: Detections, truth: Floats, ignored: Floats, complete: bool) -> Integers:
        """Count a picture; returns for each detection the true box it hit at IoU 0.5, or -1.

        Detections of `ignored` boxes do not count; if not everything is labelled (`complete` is false), only hits
        count.
        """
        self.objects += len(truth)
        matches = matched(found.boxes, truth)
        of_ignored = overlaps_of(found.boxes, ignored).max(axis=1, initial=0.0) >= SAME
        for score, match, ignore in zip(found.scores.tolist(), matches.tolist(), of_ignored.tolist(), strict=True):
            if match >= 0 or (complete and not ignore):
                self.scores.append(score)
                self.hits.append(match >= 0)
        return matches

    def recall(self, threshold: float) -> float:
        """Share of the objects found with at least that score."""
        return self._hits(threshold) / max(1, self.objects)

    def precision(self, threshold: float) -> float:
        """Share of the detections with at least that score that are right."""
        return self._hits(threshold) / max(1, sum(score >= threshold for score in self.scores))

    def average_precision(self) -> float:
        """Area under the curve of precision over recall, with monotonic precision (Everingham et al. 2010).

        Libraries for it (pycocotools, torchmetrics) assume that every picture is completely labelled; `add` does not.
        """
        order = np.argsort(-np.array(self.scores, np.float64), kind="stable")
        hits = np.cumsum(np.array(self.hits, np.float64)[order])
        precision = hits / np.arange(1, len(hits) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        recall = hits / max(1, self.objects)
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))

    def _hits(self, threshold: float) -> int:
        return sum(hit and score >= threshold for score, hit in zip(self.scores, self.hits, strict=True))


def corner_error(found: Corners, truth: Corners) -> float:
    """Mean distance of the corners, as a share of the plate's height."""
    return float(np.linalg.norm(found - truth, axis=1).mean()) / sides(truth)[1]


def corner_errors(found: Detections, matches: Integers, corners: Floats) -> list[float]:
    """`corner_error` of each plate that was found and has known corners."""
    errors = []
    for predicted, match in zip(found.corners, matches.tolist(), strict=True):
        if match < 0 or np.isnan(corners[match]).any():
            continue
        errors.append(corner_error(predicted, corners[match]))
    return errors


def known_in(scene: Scene, group: int) -> bool:
    """Whether a scene as loaded is labelled exhaustively for a group of classes."""
    return group not in scene.ignored_groups
