"""The views of a picture for the detector: the whole picture, enlarged vehicles, tiles, and views with a margin."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from detector.detections import Detections
from platelane.vision.crops import FAST_CANVASES, ZOOM_CANVAS, Image, cut, frame_canvas, letterbox
from platelane.vision.geometry import Box, Letterbox

MARGIN: Final = 0.08
"""Share of a vehicle's width and height that is shown around it."""
GAIN: Final = 1.25
"""A closer view must enlarge a vehicle by this factor to be worth its time."""
SMALLEST: Final = 40.0
"""If its longer side has fewer pixels in the picture, no plate on a vehicle could be read, however enlarged."""
TILE: Final = 0.6
"""Share of an area's width and height in each of its four tiles: what one tile cuts off, another shows whole."""
EDGE: Final = 12.0
"""Pixels of the canvas: objects nearer to a cut edge of the view may be cut off."""
DISTANCES: Final = (0.3, 1.0)
"""Margins of the views from farther away, as shares of the picture's width and height."""
TURNS: Final = (1, 2, 3)
"""Numbers of quarter turns by which a picture may be turned."""


@dataclass(frozen=True, slots=True)
class View:
    """A part of the picture in a canvas: the part's upper left corner, and how it was scaled."""

    canvas: Image
    fit: Letterbox
    xmin: float = 0.0
    ymin: float = 0.0
    inside: Box | None = None
    """The area in which objects are not cut off, in pixels of the picture; None: everywhere."""

    def in_picture(self, detections: Detections) -> Detections:
        """The view's detections in pixels of the picture, without objects that the view cuts off."""
        found = detections.in_picture(self.fit, self.xmin, self.ymin)
        if self.inside is None:
            return found
        low, high = astuple(self.inside)[:2], astuple(self.inside)[2:]
        whole = (found.boxes[:, :2] >= low) & (found.boxes[:, 2:] <= high)
        return found[np.flatnonzero(whole.all(axis=1))]


def whole(image: Image) -> tuple[View, View]:
    """The whole picture, large and at about half that size: objects that fill the picture are found better in the
    second view.

    A picture that fits into the small canvas is only shown there, once filling it and once with a margin.
    """
    height, width = image.shape[:2]
    if _is_small(image):
        return View(*letterbox(image, ZOOM_CANVAS)), View(*letterbox(image, ZOOM_CANVAS, DISTANCES[0]))
    return View(*letterbox(image, frame_canvas(height, width))), View(*letterbox(image, ZOOM_CANVAS))


def once(image: Image) -> tuple[View]:
    """The whole picture in the single view of the fast mode; a small picture has a margin."""
    height, width = image.shape[:2]
    if _is_small(image):
        return (View(*letterbox(image, ZOOM_CANVAS, DISTANCES[0])),)
    return (View(*letterbox(image, frame_canvas(height, width, FAST_CANVASES))),)


def closer(image: Image, vehicles: list[Box], scale: float) -> list[list[View]]:
    """Enlarged views of the vehicles that gain from it, a group for each; `scale` is that of the large view. A vehicle
    that fills the picture is shown in tiles."""
    height, width = image.shape[:2]
    shown: list[list[View]] = []
    for vehicle in vehicles:
        area = vehicle.grown(MARGIN).clipped(width, height)
        if max(vehicle.width, vehicle.height) < SMALLEST:
            continue
        for parts in ([area], _quarters(area)):
            gain = min(ZOOM_CANVAS[1] / parts[0].width, ZOOM_CANVAS[0] / parts[0].height) / scale
            if gain >= GAIN:
                shown.append([_view(image, part, ZOOM_CANVAS) for part in parts])
                break
    return shown


def tiles(image: Image) -> list[View]:
    """The whole picture in four overlapping parts, each filling its canvas."""
    height, width = image.shape[:2]
    canvas = ZOOM_CANVAS if _is_small(image) else frame_canvas(height, width)
    return [_view(image, part, canvas) for part in _quarters(Box(0, 0, width, height))]


def farther(image: Image) -> list[View]:
    """The whole picture, small with a wide margin: a plate that fills it then has the size that plates usually have."""
    return [View(*letterbox(image, ZOOM_CANVAS, margin)) for margin in DISTANCES[_is_small(image) :]]


def turned(image: Image, turns: int) -> Image:
    """The picture turned clockwise by `turns` quarter turns."""
    return np.ascontiguousarray(np.rot90(image, -turns))


def turns(image: Image) -> list[View]:
    """The whole picture, small, by one, two and three quarter turns; each view is in pixels of the turned picture."""
    view, fit = letterbox(image, ZOOM_CANVAS)
    sideways = Letterbox(fit.scale, fit.dy, fit.dx)
    return [View(turned(view, turns), fit if turns == 2 else sideways) for turns in TURNS]


def _quarters(area: Box) -> list[Box]:
    """Four overlapping parts of an area, one in each corner; the area has whole pixels."""
    width, height = math.ceil(area.width * TILE), math.ceil(area.height * TILE)
    return [
        Box(x, y, x + width, y + height)
        for y in (area.ymin, area.ymax - height)
        for x in (area.xmin, area.xmax - width)
    ]


def _view(image: Image, area: Box, canvas: tuple[int, int]) -> View:
    height, width = image.shape[:2]
    shown, fit = letterbox(cut(image, area), canvas)
    edge = EDGE / fit.scale
    inside = Box(
        area.xmin + edge if area.xmin > 0 else -math.inf,
        area.ymin + edge if area.ymin > 0 else -math.inf,
        area.xmax - edge if area.xmax < width else math.inf,
        area.ymax - edge if area.ymax < height else math.inf,
    )
    return View(shown, fit, area.xmin, area.ymin, inside)


def _is_small(image: Image) -> bool:
    height, width = image.shape[:2]
    return bool(height <= ZOOM_CANVAS[0] and width <= ZOOM_CANVAS[1])
