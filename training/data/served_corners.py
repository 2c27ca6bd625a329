"""Corners of labelled plates as the served models find them, which is what the reader gets in production."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import onnxruntime
from numpy.typing import NDArray

from detector.detections import Detections
from detector.tiling import View
from platelane.vision.crops import ALIGNER_MARGIN, ZOOM_CANVAS, Image, cut, letterbox, out_of_crop, rectify_plate
from platelane.vision.geometry import Box, Corners
from training.common.onnx_session import session

SAME_PLATE: Final = 0.4
"""Least IoU of a detection with the labelled plate."""
REACHES: Final = (1.5, 4.0)
"""Half the width of each view, in plate widths: the plate takes up a third, or an eighth, of the view."""


@dataclass(frozen=True, slots=True)
class ServedCorners:
    """Finds the corners of labelled plates with the served detector and aligner."""

    detector: onnxruntime.InferenceSession
    aligner: onnxruntime.InferenceSession

    @classmethod
    def of(cls, repository: Path) -> ServedCorners:
        """With the models of a repository, each on one thread."""
        return cls(*(session(repository / name / "1" / "model.onnx") for name in ("detector", "aligner")))

    def __call__(self, image: Image, plate: Box) -> tuple[Corners, ...]:
        """The corners as found, and as corrected; empty if the plate is not found in its place."""
        detected = self._detected(image, plate, REACHES[0])
        if detected is None:
            return ()
        (seen,) = _run(self.aligner, rectify_plate(image, detected, ALIGNER_MARGIN))["corners"]
        return detected, out_of_crop(seen, detected, ALIGNER_MARGIN)

    def found(self, image: Image, plate: Box) -> tuple[Corners, ...]:
        """The corners as found in a near and in a far view; only of views in which the plate is found in its place."""
        found = (self._detected(image, plate, reach) for reach in REACHES)
        return tuple(corners for corners in found if corners is not None)

    def _detected(self, image: Image, plate: Box, reach: float) -> Corners | None:
        view = _view_of(image, plate, reach)
        (found,) = Detections.of_outputs(_run(self.detector, view.canvas))
        plates = view.in_picture(found).plates
        overlaps = [plate.iou(Box(*map(float, box))) for box in plates.boxes]
        if not overlaps or max(overlaps) < SAME_PLATE:
            return None
        best: Corners = plates.corners[next(i for i, overlap in enumerate(overlaps) if overlap >= SAME_PLATE)]
        return best


def _view_of(image: Image, plate: Box, reach: float) -> View:
    """A view with the plate in the middle, reaching `reach` plate widths to each side."""
    height, width = image.shape[:2]
    x, y = plate.center
    reach *= max(plate.width, 2 * plate.height)
    area = Box(x - reach, y - reach, x + reach, y + reach).clipped(width, height)
    # if the picture ends near the plate, a margin replaces what is beyond
    margin = max(0.0, reach / max(area.width, area.height) - 0.5)
    return View(*letterbox(cut(image, area), ZOOM_CANVAS, margin), area.xmin, area.ymin)


def _run(model: onnxruntime.InferenceSession, picture: Image) -> dict[str, NDArray[Any]]:
    names = [output.name for output in model.get_outputs()]
    return dict(zip(names, model.run(names, {model.get_inputs()[0].name: picture[None]}), strict=True))
