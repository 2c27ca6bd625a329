"""A labelled scene in plain colours, for tests of the detector's training data."""

from __future__ import annotations

import numpy as np

from training.data.dataset import Row
from training.detector.scenes import Scene, labelled_scene

PLATE_COLOUR, CAR_COLOUR = (250, 10, 10), (10, 10, 250)


def row(kind: str, labelled: str, *sides: float, corners: tuple[float, ...] = ()) -> Row:
    names = [f"{axis}{i}" for i in (1, 2, 3, 4) for axis in "xy"]
    return {
        "class": kind,
        "labelled": labelled,
        **dict(zip(("xmin", "ymin", "xmax", "ymax"), map(str, sides or ("",) * 4), strict=True)),
        **dict(zip(names, map(str, corners or ("",) * 8), strict=True)),
    }


def painted() -> Scene:
    """A car with a plate, each in one colour, so that a view's picture tells where they are."""
    image = np.full((200, 300, 3), 60, np.uint8)
    image[40:160, 60:240] = CAR_COLOUR
    image[120:140, 120:180] = PLATE_COLOUR
    rows = [
        row("car", "plate car", 60, 40, 240, 160),
        row("plate", "plate car", 120, 120, 180, 140, corners=(120, 120, 180, 120, 180, 140, 120, 140)),
    ]
    return labelled_scene(image, rows)
