"""Refinement of the plates' corners by the aligner, from the detector's corners and from the box."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from detector.search import Found
from platelane.vision.crops import ALIGNER_MARGIN, Image, out_of_crop, rectify_plate
from platelane.vision.geometry import Box, Corners

MARGIN: Final = 0.03
"""Share of their width and height that a plate's reported box keeps around its corners."""
AGREEING: Final = 0.3
"""IoU with the detector's box below which the corners are of something else, and that box is reported."""


class Model(Protocol):
    """The aligner: N crops, each a UINT8 tensor of its input shape, in; corners (N, 4, 2) in pixels of the crop out."""

    async def __call__(self, crops: Sequence[bytes]) -> NDArray[np.float32]: ...


async def refine_corners(model: Model, image: Image, found: Found) -> Found:
    """What was found in `image`, each plate with its corners as the model sees them, `corners_from_box`, and `bounds`
    around the corners.

    Where the model's are not those of a plate, they stay what it was given.

    Raises: what `model` raises.
    """
    if not found.plates:
        return found
    starts = [start for plate in found.plates for start in (plate.corners, plate.corners_from_box)]
    seen = await model(await asyncio.to_thread(_crops, image, starts))
    aligned = [
        _plausible(out_of_crop(corners, start, ALIGNER_MARGIN), start)
        for corners, start in zip(seen, starts, strict=True)
    ]
    plates = [
        replace(plate, corners=corners, corners_from_box=again, bounds=_bounds(corners, plate.box, image))
        for plate, corners, again in zip(found.plates, aligned[::2], aligned[1::2], strict=True)
    ]
    return replace(found, plates=tuple(plates))


def _crops(image: Image, starts: Sequence[Corners]) -> list[bytes]:
    return [rectify_plate(image, corners, ALIGNER_MARGIN).tobytes() for corners in starts]


def _plausible(corners: Corners, otherwise: Corners) -> Corners:
    """`corners` where they run clockwise around a convex area."""
    convex = np.isfinite(corners).all() and cv2.isContourConvex(corners)
    return corners if convex and cv2.contourArea(corners, oriented=True) > 0 else otherwise


def _bounds(corners: Corners, box: Box, image: Image) -> Box:
    """As tight as the plate: the detector's boxes are those that its many labels were drawn with, loose."""
    height, width = image.shape[:2]
    around = Box.around(corners).grown(MARGIN).clipped(width, height)
    return around if around.iou(box) >= AGREEING else box
