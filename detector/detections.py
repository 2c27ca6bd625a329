"""The detection model's answer as arrays, and non-maximum suppression over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from platelane.vision.geometry import Letterbox

PLATE: Final = 0
"""Class index of plates; every other class is a kind of vehicle."""


@dataclass(frozen=True, slots=True)
class Detections:
    """N objects of one picture, best score first within what one model run returned.

    boxes: FP32 (N, 4), xmin ymin xmax ymax; corners: FP32 (N, 4, 2), clockwise from a plate's upper left, all in pixels
    of the same picture; scores: FP32 (N,), 0 to 1; classes: INT64 (N,), `PLATE` or a vehicle class.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    corners: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: NDArray[Any] | slice) -> Detections:
        """The objects at an index, under a mask or in a slice."""
        return Detections(self.boxes[chosen], self.scores[chosen], self.classes[chosen], self.corners[chosen])

    @classmethod
    def concatenated(cls, parts: Sequence[Detections]) -> Detections:
        return cls(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.classes for part in parts]),
            np.concatenate([part.corners for part in parts]),
        )

    @classmethod
    def of_outputs(cls, outputs: dict[str, NDArray[Any]]) -> list[Detections]:
        """One for each picture of the batch that the model was given, in pixels of its canvas."""
        boxes, scores, classes, corners = (outputs[name] for name in ("boxes", "scores", "classes", "corners"))
        return [cls(boxes[i], scores[i], classes[i], corners[i].reshape(-1, 4, 2)) for i in range(len(scores))]

    @property
    def plates(self) -> Detections:
        return self[self.classes == PLATE]

    @property
    def vehicles(self) -> Detections:
        return self[self.classes != PLATE]

    def above(self, threshold: float) -> Detections:
        return self[self.scores >= threshold]

    def in_picture(self, fit: Letterbox, xmin: float = 0.0, ymin: float = 0.0) -> Detections:
        """Mapped from canvas pixels to picture pixels; the canvas shows the part of the picture from (xmin, ymin)."""
        offset = np.array([xmin, ymin], dtype=np.float32)
        boxes = (fit.to_picture(self.boxes.reshape(-1, 2, 2)) + offset).reshape(-1, 4)
        return Detections(boxes, self.scores, self.classes, fit.to_picture(self.corners) + offset)

    def turned_back(self, turns: int, width: int, height: int) -> Detections:
        """Mapped from pixels of a picture that was turned clockwise by `turns` quarter turns to pixels of the original
        picture, which has this width and height."""
        corners = _turned_back(self.corners, turns, width, height)
        ends = _turned_back(self.boxes.reshape(-1, 2, 2), turns, width, height)
        boxes = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
        return Detections(boxes, self.scores, self.classes, corners)

    def nms(self, iou: float, containment: float = 1.1) -> Detections:
        """Greedy non-maximum suppression, regardless of classes; best score first.

        An object is dropped if it overlaps a better one by more than `iou`, or if more than `containment` of the
        smaller of the two is covered (over 1: never). The latter catches two detections of one plate of which one is
        cut off: they overlap little, but one contains the other.
        """
        chosen = self[np.argsort(-self.scores, kind="stable")]
        overlap, contained = _overlaps(chosen.boxes)
        rival = (overlap > iou) | (contained > containment)
        keep = np.ones(len(chosen), dtype=bool)
        for i in range(len(chosen)):
            if keep[i]:
                keep[i + 1 :] &= ~rival[i, i + 1 :]
        return chosen[keep]


def _turned_back(points: NDArray[np.float32], turns: int, width: int, height: int) -> NDArray[np.float32]:
    """Shape (..., 2)."""
    x, y = points[..., 0], points[..., 1]
    back = ((x, y), (y, height - x), (width - x, height - y), (width - y, x))[turns]
    return np.stack(back, axis=-1).astype(np.float32)


def _overlaps(boxes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(N, 4) -> two (N, N): intersection over union, and over the smaller area."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    union = area[:, None] + area[None, :] - shared
    smaller = np.minimum(area[:, None], area[None, :])
    tiny = np.float32(1e-6)
    return np.divide(shared, np.maximum(union, tiny)), np.divide(shared, np.maximum(smaller, tiny))
