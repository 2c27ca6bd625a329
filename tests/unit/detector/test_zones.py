from __future__ import annotations

import math

import numpy as np
import pytest

from detector.search import search
from detector.zones import outside
from platelane.pb.v1 import domain_pb2
from tests.models import CALIBRATION
from tests.unit.detector.test_search import CAR, PHOTO, PLATE, Row, Scripted, options

FAST = domain_pb2.MODE_FAST
Points = list[tuple[float, float]]

SQUARE: Points = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
ARROW: Points = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.5, 0.3), (0.1, 0.9)]  # with a notch from below
CROSSED: Points = [(0, 0), (1, 1), (1, 0), (0, 1)]  # an hourglass lying on its side


def polygon(points: Points) -> domain_pb2.Polygon:
    return domain_pb2.Polygon(points=[domain_pb2.Point(x=x, y=y) for x, y in points])


def excludes(points: Points, x: float, y: float) -> bool:
    """Whether a small box around a point of a picture of 200x100 is left out."""
    box = np.array([[x * 200 - 2, y * 100 - 1, x * 200 + 2, y * 100 + 1]], dtype=np.float32)
    return not outside(box, [polygon(points)], 200, 100)[0]


@pytest.mark.parametrize(
    ("points", "inside", "elsewhere"),
    [
        (SQUARE, [(0.5, 0.5), (0.26, 0.26), (0.74, 0.74)], [(0.2, 0.5), (0.8, 0.5), (0.5, 0.2), (0.5, 0.8)]),
        (ARROW, [(0.5, 0.2), (0.12, 0.8), (0.88, 0.8)], [(0.5, 0.5), (0.5, 0.95), (0.05, 0.5)]),
        (CROSSED, [(0.1, 0.5), (0.9, 0.5)], [(0.5, 0.1), (0.5, 0.9)]),
        (list(reversed(SQUARE)), [(0.5, 0.5)], [(0.9, 0.9)]),
        ([(0.1, 0.5), (0.9, 0.5), (0.5, 0.5)], [], [(0.5, 0.5), (0.5, 0.4)]),  # without an area
    ],
)
def test_polygons(points: Points, inside: Points, elsewhere: Points) -> None:
    assert all(excludes(points, *point) for point in inside)
    assert not any(excludes(points, *point) for point in elsewhere)


def test_the_centre_decides() -> None:
    boxes = np.array([[0, 0, 60, 40], [0, 0, 30, 40]], dtype=np.float32)
    left_quarter = polygon([(0, 0), (0.25, 0), (0.25, 1), (0, 1)])
    assert outside(boxes, [left_quarter], 100, 100).tolist() == [True, False]


def test_any_zone_excludes_and_none_keeps_all() -> None:
    boxes = np.array([[10, 10, 20, 20], [80, 80, 90, 90], [45, 45, 55, 55]], dtype=np.float32)
    corners = [polygon([(0, 0), (0.4, 0), (0, 0.4)]), polygon([(1, 1), (0.6, 1), (1, 0.6)])]
    assert outside(boxes, corners, 100, 100).tolist() == [False, False, True]
    assert outside(boxes, [], 100, 100).all()
    assert len(outside(boxes[:0], corners, 100, 100)) == 0


async def test_text_in_a_zone_does_not_take_the_place_of_a_plate() -> None:
    """One plate a vehicle: the better one is a sticker on the windscreen, and excluded."""
    car: Row = (0, 12, 600, 372, 0.9, CAR)
    sticker: Row = (100, 100, 150, 115, 0.9, PLATE)
    plate: Row = (300, 300, 350, 315, 0.3, PLATE)
    (found,) = (
        await search(Scripted([[car, sticker, plate]]), PHOTO, options(mode=FAST), CALIBRATION, math.inf)
    ).plates
    assert found.box.ymax < PHOTO.shape[0] / 2
    bottom = found.box.ymax / PHOTO.shape[0] + 0.01
    windscreen = polygon([(0, 0), (1, 0), (1, bottom), (0, bottom)])
    (found,) = (
        await search(
            Scripted([[car, sticker, plate]]), PHOTO, options(mode=FAST, excluded=[windscreen]), CALIBRATION, math.inf
        )
    ).plates
    assert found.box.ymax > PHOTO.shape[0] / 2
