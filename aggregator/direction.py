"""Estimates which way a vehicle is heading, from one picture.

Degrees are those of the unit circle, seen from above: 90 away from the camera, 270 towards it, 0 to the right of the
picture, 180 to its left. They are relative to the line of sight to the vehicle: converting them to the camera's axis
would need the field of view, which is unknown.

The attribute model says whether front or rear is visible. How far the vehicle is turned follows from the place of its
plate: the plate is in the middle of the visible face, which is off the middle of the box as soon as a side is visible
too. The slant of the plate adds nothing measurable: it depends on the camera's pitch and roll as much as on the
vehicle.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from platelane.pb.v1 import domain_pb2

TOLERANCE: Final = 20.0
"""Degrees. The score is the probability that the direction is right within this tolerance."""

_FACING: Final = {"Front": 270.0, "Rear": 90.0}
_LENGTH: Final = 2.5
"""A vehicle's length, in widths."""
_FOCAL_LENGTH: Final = 1.0
"""In lengths of the picture's longer side: a field of view of 53 degrees."""
_NEAREST: Final = 1.6
_FARTHEST: Final = 30.0
"""Limits of the assumed distance of the face, in widths of the vehicle."""
_USUAL_TURN: Final = 40.0
_SHARE_ERROR: Final = 0.04
_CUT_OFF_ERROR: Final = 0.1
"""Standard deviations of the plate's place, as a share of the box's width: usually, and if the box is cut off."""
_EDGE: Final = 2.0
"""A box within this many pixels of the picture's edge counts as cut off."""

_TURNS: Final[NDArray[np.float64]] = np.arange(-80.0, 81.0, 2.0)
"""Degrees by which a vehicle may be turned. If positive, the visible side is to the right of the face: a vehicle seen
from behind then heads to the right, and one seen from the front to the left."""


def direction(
    plate: domain_pb2.Plate, vehicle: domain_pb2.Vehicle, image_width: int, image_height: int
) -> domain_pb2.Direction | None:
    """Which way the vehicle with this plate is heading; None if that cannot be estimated.

    It cannot for motorcycles, whose plate is in the middle of the box from any side; if neither front nor rear is
    visible; and if the plate is not inside the box.
    """
    if not vehicle.orientations or vehicle.orientations[0].value not in _FACING:
        return None
    if vehicle.types and vehicle.types[0].value == "Motorcycle":
        return None
    box = vehicle.box
    width = box.xmax - box.xmin
    share = (_center(plate) - box.xmin) / width if width > 0 else math.nan
    if not 0 <= share <= 1:
        return None
    cut_off = box.xmin <= _EDGE or box.xmax >= image_width - _EDGE
    distance = _FOCAL_LENGTH * max(image_width, image_height) / width
    turn, certainty = _turn(share, distance, _CUT_OFF_ERROR if cut_off else _SHARE_ERROR)
    seen = vehicle.orientations[0]
    return domain_pb2.Direction(degrees=(_FACING[seen.value] - turn) % 360, score=seen.score * certainty)


def _center(plate: domain_pb2.Plate) -> float:
    """The x coordinate of the plate's centre, from its corners if there are any."""
    if plate.corners:
        return sum(point.x for point in plate.corners) / len(plate.corners)
    return (plate.box.xmin + plate.box.xmax) / 2


def _turn(share: float, distance: float, error: float) -> tuple[float, float]:
    """Degrees by which a vehicle is turned if its plate is at this share of its box's width, and how certain that is.

    Bayes' rule: the mean of the posterior over `_TURNS`, and its mass within `TOLERANCE` of the mean.
    """
    expected = _shares(min(max(distance, _NEAREST), _FARTHEST))
    likelihood = -0.5 * (((share - expected) / error) ** 2 + (_TURNS / _USUAL_TURN) ** 2)
    belief = np.exp(likelihood - likelihood.max())
    belief /= belief.sum()
    mean = float(belief @ _TURNS)
    return mean, float(belief[np.abs(_TURNS - mean) <= TOLERANCE].sum())


def _shares(distance: float) -> NDArray[np.float64]:
    """The plate's place in the box at each of `_TURNS`: the vehicle is a rectangle on the ground, in perspective."""
    turn = np.radians(np.abs(_TURNS))
    sides = []
    for across in (-0.5, 0.5):
        for along in (0.0, _LENGTH):
            x = across * np.cos(turn) + along * np.sin(turn)
            depth = distance - across * np.sin(turn) + along * np.cos(turn)
            sides.append(x / depth)
    left, right = np.min(sides, axis=0), np.max(sides, axis=0)
    share: NDArray[np.float64] = -left / (right - left)
    share[_TURNS < 0] = 1 - share[_TURNS < 0]
    return share
