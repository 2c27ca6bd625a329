from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from training.detector.model import PLATE
from training.detector.plates import DrawnPlates
from training.detector.scenes import Scene, empty_scene

WIDE, TALL = np.full((40, 200, 3), 250, np.uint8), np.full((100, 150, 3), 250, np.uint8)
STOCK = DrawnPlates([TALL, WIDE], np.array([1.5, 5.0]))


def scene(*corners: tuple[float, float]) -> Scene:
    """A dark street with one plate."""
    quad = np.array([corners], np.float32)
    sides = np.concatenate([quad.min(axis=1), quad.max(axis=1)], axis=1)
    return replace(
        empty_scene(np.full((240, 320, 3), 60, np.uint8)), boxes=sides, classes=np.array([PLATE]), corners=quad
    )


def test_a_drawn_plate_covers_the_real_one_and_nothing_far_from_it() -> None:
    street = scene((100, 100), (200, 110), (200, 132), (100, 122))
    redrawn = STOCK.over(street, np.random.default_rng(0))
    low, high = redrawn.boxes[0, :2], redrawn.boxes[0, 2:]
    assert (low <= street.boxes[0, :2] + 0.5).all()
    assert (high >= street.boxes[0, 2:] - 0.5).all()
    np.testing.assert_allclose(redrawn.boxes[0], [*redrawn.corners[0].min(axis=0), *redrawn.corners[0].max(axis=0)])
    assert redrawn.image[116, 150].min() > 60
    changed = np.argwhere((redrawn.image != street.image).any(axis=2))[:, ::-1]
    assert (changed > low - 4).all()
    assert (changed < high + 4).all()


def test_a_plate_of_about_the_same_shape_is_chosen() -> None:
    square = scene((100, 100), (150, 100), (150, 132), (100, 132))
    width, height = np.ptp(STOCK.over(square, np.random.default_rng(0)).corners[0], axis=0)
    assert width / height == pytest.approx(1.5, rel=0.1)


def test_at_the_border_what_is_outside_is_left_out() -> None:
    cut = scene((-20, 220), (80, 220), (80, 244), (-20, 244))
    assert STOCK.over(cut, np.random.default_rng(0)).image.shape == cut.image.shape


@pytest.mark.parametrize("corners", [((100, 100), (115, 100), (115, 104), (100, 104)), ((np.nan, np.nan),) * 4])
def test_tiny_plates_and_those_without_corners_stay(corners: tuple[tuple[float, float], ...]) -> None:
    street = scene(*corners)
    assert STOCK.over(street, np.random.default_rng(0)) is street
