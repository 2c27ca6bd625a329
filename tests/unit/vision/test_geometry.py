from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.vision.geometry import Box, Letterbox

coordinate = st.floats(-500, 500, width=32)
length = st.floats(1, 300, width=32)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), coordinate, coordinate, length, length)
sizes = st.integers(1, 4000)


@given(boxes, boxes)
def test_iou_is_symmetric_and_between_0_and_1(a: Box, b: Box) -> None:
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert 0 <= a.iou(b) <= 1 + 1e-6
    assert a.iou(a) == pytest.approx(1)


def test_iou_of_known_boxes() -> None:
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).iou(Box(10, 0, 20, 10)) == 0


@given(boxes, sizes, sizes)
def test_a_clipped_box_is_whole_inside_and_not_empty(box: Box, width: int, height: int) -> None:
    clipped = box.clipped(width, height)
    assert 0 <= clipped.xmin < clipped.xmax <= width
    assert 0 <= clipped.ymin < clipped.ymax <= height
    assert all(value == int(value) for value in (clipped.xmin, clipped.ymin, clipped.xmax, clipped.ymax))


def test_growing_adds_the_same_on_every_side() -> None:
    assert Box(10, 10, 30, 20).grown(0.1) == Box(8, 9, 32, 21)


@given(sizes, sizes, st.sampled_from([(640, 384), (384, 640), (480, 480), (320, 320)]))
def test_a_letterboxed_picture_is_inside_the_canvas_and_comes_back(
    width: int, height: int, canvas: tuple[int, int]
) -> None:
    fit = Letterbox.fit(width, height, *canvas)
    there = Box(fit.dx, fit.dy, fit.dx + width * fit.scale, fit.dy + height * fit.scale).corners()
    assert there.min() >= 0
    assert (there.max(axis=0) <= np.array(canvas) + 1).all()
    corners = Box(0, 0, width, height).corners()
    np.testing.assert_allclose(fit.to_picture(there), corners, atol=0.01 * max(width, height))


def test_the_corners_of_a_box_begin_where_others_do() -> None:
    box = Box(10, 20, 50, 30)
    for roll in range(4):
        slanted = np.roll(box.corners() + np.float32(2), roll, axis=0)
        np.testing.assert_array_equal(box.corners(slanted), np.roll(box.corners(), roll, axis=0))
