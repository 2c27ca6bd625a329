"""Refines the corners of plates with the aligner, starting from the detector's corners and from the box."""

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
"""Below this IoU with the detector's box, the corners belong to something else, and that box is reported instead."""


class Model(Protocol):
    """The aligner: N crops, each a UINT8 tensor of its input shape, in; corners (N, 4, 2) in pixels of the crop out."""

    async def __call__(self, crops: Sequence[bytes]) -> NDArray[np.float32]: ...


async def refine_corners(model: Model, image: Image, found: Found) -> Found:
    """The objects found in `image`, each plate with refined `corners` and `corners_from_box`, and `bounds` around the
    refined corners.

    If the refined corners cannot be those of a plate, the initial ones are kept.

    Raises: what `model` raises.
    """
    if not found.plates:
        return found
    starts = [start for plate in found.plates for start in (plate.corners, plate.corners_from_box)]
    predicted = await model(await asyncio.to_thread(_crops, image, starts))
    refined = [
        _plausible(out_of_crop(corners, start, ALIGNER_MARGIN), start)
        for corners, start in zip(predicted, starts, strict=True)
    ]
    plates = [
        replace(plate, corners=corners, corners_from_box=from_box, bounds=_bounds(corners, plate.box, image))
        for plate, corners, from_box in zip(found.plates, refined[::2], refined[1::2], strict=True)
    ]
    return replace(found, plates=tuple(plates))


def _crops(image: Image, starts: Sequence[Corners]) -> list[bytes]:
    return [rectify_plate(image, corners, ALIGNER_MARGIN).tobytes() for corners in starts]


def _plausible(corners: Corners, otherwise: Corners) -> Corners:
    """`corners` if they run clockwise around a convex area, else `otherwise`."""
    convex = np.isfinite(corners).all() and cv2.isContourConvex(corners)
    return corners if convex and cv2.contourArea(corners, oriented=True) > 0 else otherwise


def _bounds(corners: Corners, box: Box, image: Image) -> Box:
    """A box as tight as the plate. The detector's own boxes are as loose as the labels it was trained on."""
    height, width = image.shape[:2]
    around = Box.around(corners).grown(MARGIN).clipped(width, height)
    return around if around.iou(box) >= AGREEING else box
