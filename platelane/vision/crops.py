"""Cuts the inputs of the models out of a decoded picture.

Serving and training share these functions, so that a model sees in production what it was trained on. Pictures are
UINT8 arrays of shape (height, width, 3) in OpenCV's BGR order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.geometry import Box, Corners, Letterbox
from platelane.vision.model_specs import PLATE_SHAPE as PLATE_SHAPE
from platelane.vision.model_specs import VEHICLE_SHAPE as VEHICLE_SHAPE

Image = NDArray[np.uint8]
"""Shape (height, width, 3), BGR."""

GREY: Final = 114
"""The value that fills the letterbox."""

PLATE_MARGIN: Final = 0.08
"""Share of the plate's width and height that is kept around it."""

ALIGNER_MARGIN: Final = 0.3
"""`PLATE_MARGIN` of the crop in which the aligner predicts the plate's true corners."""

VEHICLE_MARGIN: Final = 0.13
"""Share of the vehicle's width and height around it: detected boxes are tighter than those of the training set."""

FRAME_CANVASES: Final = ((384, 640), (640, 384), (480, 480))
"""(height, width) of the detector's full-frame inputs, which cost about the same."""

FAST_CANVASES: Final = ((288, 480), (480, 288), (352, 352))
"""(height, width) of the fast mode's only view, at six tenths of the cost."""

ZOOM_CANVAS: Final = (320, 320)
"""(height, width) of the view of one vehicle, and of the smaller view of a whole picture."""


_SIDE: Final = 16
"""Pixels that a side of a part keeps when it is halved: what is left out for that is then less than a sixteenth."""


def frame_canvas(height: int, width: int, canvases: Sequence[tuple[int, int]] = FRAME_CANVASES) -> tuple[int, int]:
    """The one of `canvases` that shows a picture of this size at the largest scale."""
    return max(canvases, key=lambda canvas: min(canvas[0] / height, canvas[1] / width))


def letterbox(image: Image, canvas: tuple[int, int], margin: float = 0.0) -> tuple[Image, Letterbox]:
    """Fit `image` into a grey canvas of (height, width), keeping its aspect ratio; returns the canvas and the mapping.

    `margin`, a share of the picture's width and height, is left free on every side.
    """
    height, width = image.shape[:2]
    fit = Letterbox.fit(width, height, canvas[1], canvas[0], margin)
    inner_width, inner_height = max(1, round(width * fit.scale)), max(1, round(height * fit.scale))
    result = np.full((*canvas, 3), GREY, dtype=np.uint8)
    x, y = int(fit.dx), int(fit.dy)
    result[y : y + inner_height, x : x + inner_width] = _resize(image, inner_width, inner_height)
    return result, fit


def rectify_plate(
    image: Image, corners: Corners, margin: float = PLATE_MARGIN, shape: tuple[int, int] = PLATE_SHAPE[:2]
) -> Image:
    """The plate rectified: a perspective warp of its four corners plus a margin.

    `margin` is a share of the plate's width and height, `shape` the height and width of the result. Outside the
    picture, its border is repeated.
    """
    height, width = shape
    source, corners = _neighbourhood(image, corners, 2 * margin, width)
    # corners are measured from pixel edges, the warp counts from pixel centres
    transform = cv2.getPerspectiveTransform(corners - np.float32(0.5), corners_in_crop(margin, shape) - np.float32(0.5))
    warped = cv2.warpPerspective(
        source, transform, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, dtype=np.uint8)


def corners_in_crop(margin: float, shape: tuple[int, int] = PLATE_SHAPE[:2]) -> Corners:
    """Where `rectify_plate` puts a plate's corners in a crop of `shape` (height, width), in pixels."""
    height, width = shape
    left, top = width * margin / (1 + 2 * margin), height * margin / (1 + 2 * margin)
    return np.array(
        [[left, top], [width - left, top], [width - left, height - top], [left, height - top]], dtype=np.float32
    )


def into_crop(points: Corners, corners: Corners, margin: float) -> Corners:
    """Maps points of the picture to pixels of the crop that `rectify_plate` cuts by `corners`."""
    return _mapped(points, corners, corners_in_crop(margin))


def out_of_crop(points: Corners, corners: Corners, margin: float) -> Corners:
    """The inverse of `into_crop`."""
    return _mapped(points, corners_in_crop(margin), corners)


def _mapped(points: Corners, source: Corners, target: Corners) -> Corners:
    """Maps points by the perspective transform that takes the `source` corners to the `target` corners."""
    transform = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
    return np.asarray(cv2.perspectiveTransform(points[None].astype(np.float32), transform)[0], np.float32)


def cut(image: Image, area: Box) -> Image:
    """The part of a picture inside a box of whole pixels, without copying."""
    return image[int(area.ymin) : int(area.ymax), int(area.xmin) : int(area.xmax)]


def cut_shrunk(image: Image, area: Box, width: int, height: int) -> Image:
    """As `cut`, scaled down if it does not fit into `width` and `height`, keeping its aspect ratio."""
    view = _cut_to_halve(image, area, max(area.width / width, area.height / height))
    scale = min(width / view.shape[1], height / view.shape[0])
    if scale >= 1:
        return view
    return _resize(view, max(1, round(view.shape[1] * scale)), max(1, round(view.shape[0] * scale)))


def crop_vehicle(image: Image, box: Box) -> Image:
    """The vehicle with a small margin, stretched to `VEHICLE_SHAPE`."""
    height, width, _ = VEHICLE_SHAPE
    area = box.grown(VEHICLE_MARGIN).clipped(image.shape[1], image.shape[0])
    times = min(area.width / width, area.height / height)
    return _resize(_cut_to_halve(image, area, times), width, height)


def _cut_to_halve(image: Image, area: Box, times: float) -> Image:
    """As `cut`, for a part that is to become `times` smaller. Its sides are changed by less than `times` pixels, to
    multiples of the largest power of two up to `times`, so that `_resize` can halve them that often: a vehicle of any
    size then takes 0.4 instead of 1.5 ms."""
    step = 2 ** max(0, int(math.log2(min(times, area.width / _SIDE, area.height / _SIDE))))
    xmin, xmax = _in_steps(area.xmin, area.xmax, step, image.shape[1])
    ymin, ymax = _in_steps(area.ymin, area.ymax, step, image.shape[0])
    return image[ymin:ymax, xmin:xmax]


def _in_steps(start: float, end: float, step: int, limit: int) -> tuple[int, int]:
    """The interval lengthened to a multiple of `step`, or shortened if it would be longer than `limit`."""
    length = int(end - start)
    wanted = -(-length // step) * step
    if wanted > limit:
        wanted -= step
    first = min(max(0, int(start) - (wanted - length) // 2), limit - wanted)
    return first, first + wanted


def _neighbourhood(image: Image, corners: Corners, margin: float, width: int) -> tuple[Image, Corners]:
    """The part of the picture around the corners, scaled down if a warp to `width` would skip pixels (aliasing)."""
    area = Box.around(corners).grown(margin + 0.1).clipped(image.shape[1], image.shape[0])
    view = cut(image, area)
    moved = corners - np.array([area.xmin, area.ymin], dtype=np.float32)
    shrink = float(np.linalg.norm(moved[1] - moved[0])) / width
    if shrink <= 1.5:
        return view, moved
    small = _resize(view, max(1, round(view.shape[1] / shrink)), max(1, round(view.shape[0] / shrink)))
    ratio = np.array([small.shape[1] / view.shape[1], small.shape[0] / view.shape[0]], dtype=np.float32)
    return small, moved * ratio


def _resize(image: Image, width: int, height: int) -> Image:
    """Resizes by area averaging to shrink, and linearly to enlarge.

    OpenCV is fastest by far at halving, so pictures are halved as often as possible first.
    """
    while image.shape[0] >= 2 * height and image.shape[1] >= 2 * width and not any(n % 2 for n in image.shape[:2]):
        half = image.shape[1] // 2, image.shape[0] // 2
        image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    shrinks = width * height < image.shape[0] * image.shape[1]
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)
