"""Which way a vehicle heads, as far as one picture tells.

Degrees are those of the unit circle, seen from above: 90 away from the camera, 270 towards it, 0 to the right of the
picture, 180 to its left. They count from the line of sight to the vehicle, since the field of view that would turn them
into those of the camera's axis is not in the picture.

Front or rear comes from the attribute model. How far the vehicle is turned comes from where its plate sits in its box:
in the middle of the face that is seen, which leaves the middle of the box as soon as a side is seen as well. The slant
of the plate adds nothing measurable to that: it depends on the camera's pitch and roll as much as on the vehicle.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from platelane.pb.v1 import domain_pb2

TOLERANCE: Final = 20.0
"""The score is the probability that the direction is right to so many degrees."""

_FACING: Final = {"Front": 270.0, "Rear": 90.0}
_LENGTH: Final = 2.5
"""A vehicle's length, in widths."""
_FOCAL_LENGTH: Final = 1.0
"""In longer sides of the picture: a field of view of 53 degrees."""
_NEAREST: Final = 1.6
_FARTHEST: Final = 30.0
"""How far away the face is taken to be, in widths of the vehicle."""
_USUAL_TURN: Final = 40.0
_SHARE_ERROR: Final = 0.04
_CUT_OFF_ERROR: Final = 0.1
"""Standard deviation of the plate's place, a share of the box's width; the second where the picture cuts the box."""
_EDGE: Final = 2.0
"""Pixels from the picture's edge at which a box counts as cut off."""

_TURNS: Final[NDArray[np.float64]] = np.arange(-80.0, 81.0, 2.0)
"""Degrees by which a vehicle may be turned; at positive ones the side in sight is to the right of the face, so that one
seen from behind heads to the right, and one seen from the front to the left."""


def direction(
    plate: domain_pb2.Plate, vehicle: domain_pb2.Vehicle, image_width: int, image_height: int
) -> domain_pb2.Direction | None:
    """Where the vehicle that carries this plate heads; None where that cannot be known.

    It cannot for a motorcycle, whose plate is in the middle of its box from any side, where neither front nor rear is
    seen, and where the plate is not inside the box.
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
    """Its middle, from left to right, by the corners where they are known."""
    if plate.corners:
        return sum(point.x for point in plate.corners) / len(plate.corners)
    return (plate.box.xmin + plate.box.xmax) / 2


def _turn(share: float, distance: float, error: float) -> tuple[float, float]:
    """Degrees by which a vehicle is turned whose plate sits at that share of its box's width, and how certain that is.

    Bayes' rule: mean and mass around it of the turns under which the plate would sit there.
    """
    expected = _shares(min(max(distance, _NEAREST), _FARTHEST))
    likelihood = -0.5 * (((share - expected) / error) ** 2 + (_TURNS / _USUAL_TURN) ** 2)
    belief = np.exp(likelihood - likelihood.max())
    belief /= belief.sum()
    mean = float(belief @ _TURNS)
    return mean, float(belief[np.abs(_TURNS - mean) <= TOLERANCE].sum())


def _shares(distance: float) -> NDArray[np.float64]:
    """Where the plate sits in the box at each of `_TURNS`: a rectangle on the ground, seen in perspective."""
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
