from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from platelane.vision.crops import ALIGNER_MARGIN, into_crop
from platelane.vision.geometry import Box, Corners
from training.data.served_corners import ServedCorners

PHOTO = np.zeros((400, 600, 3), np.uint8)
LABEL = Box(250, 190, 350, 220)
TRUE = np.array([[252, 192], [348, 190], [350, 218], [250, 220]], np.float32)


class Session:
    """Answers as an ONNX Runtime session does, whatever it is asked."""

    def __init__(self, **outputs: Any) -> None:
        self.outputs = outputs

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="picture")]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in self.outputs]

    def run(self, names: list[str], _: object) -> list[Any]:
        return [self.outputs[name] for name in names]


def cuts(found: Box, seen: Corners) -> ServedCorners:
    """Models of which one finds a plate in `found`, in pixels of the photo, and the other sees it at `seen`."""
    scale = 320 / 300  # the view at LABEL shows 300 x 300 pixels around its middle
    corners = (found.corners() - np.array([150, 55], np.float32)) * np.float32(scale)
    detector = Session(
        boxes=np.array([[[*corners[0], *corners[2]]]], np.float32),
        scores=np.array([[0.9]], np.float32),
        classes=np.array([[0]]),
        corners=corners.reshape(1, 1, 8),
    )
    aligner = Session(corners=into_crop(seen, found.corners(), ALIGNER_MARGIN)[None])
    return ServedCorners(detector, aligner)


def test_corners_as_found_and_as_corrected_are_told_in_pixels_of_the_photo() -> None:
    found = Box(245, 188, 352, 224)
    detected, aligned = cuts(found, TRUE)(PHOTO, LABEL)
    np.testing.assert_allclose(detected, found.corners(), atol=0.6)
    np.testing.assert_allclose(aligned, TRUE, atol=0.8)


def test_a_plate_found_elsewhere_is_another_one() -> None:
    assert cuts(Box(160, 100, 240, 130), TRUE)(PHOTO, LABEL) == ()


def test_the_detector_alone_tells_of_those_looks_that_show_the_plate_in_its_place() -> None:
    found = Box(245, 188, 352, 224)
    # in the far view, which shows 2.7 times as much, the same answer is a plate 2.7 times as large
    (near,) = cuts(found, TRUE).found(PHOTO, LABEL)
    np.testing.assert_allclose(near, found.corners(), atol=0.6)
    assert cuts(Box(160, 100, 240, 130), TRUE).found(PHOTO, LABEL) == ()
