from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.vision import crops
from platelane.vision.geometry import Box


def checkered(width: int, height: int) -> crops.Image:
    """Quadrants of four greys."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    for level, (y, x) in zip((30, 90, 150, 210), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        image[y * height // 2 : (y + 1) * height // 2, x * width // 2 : (x + 1) * width // 2] = level
    return image


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_the_canvas_that_shows_most_is_chosen(height: int, width: int) -> None:
    chosen = crops.frame_canvas(height, width)
    assert chosen in crops.FRAME_CANVASES
    scale = min(chosen[0] / height, chosen[1] / width)
    assert all(min(h / height, w / width) <= scale for h, w in crops.FRAME_CANVASES)


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1280, 720), (500, 500), (7, 2000), (2000, 7), (1, 1)])
def test_a_letterboxed_picture_is_grey_only_outside(height: int, width: int) -> None:
    canvas, fit = crops.letterbox(np.full((height, width, 3), 255, dtype=np.uint8), (384, 640))
    assert canvas.shape == (384, 640, 3)
    white = (canvas == 255).all(axis=2)
    assert set(np.unique(canvas)) <= {crops.GREY, 255}
    assert white.any()
    ys, xs = np.nonzero(white)
    assert (xs.min(), ys.min()) == (fit.dx, fit.dy)


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 200), st.integers(1, 200))
def test_everything_stays_in_its_place_when_it_is_shrunk(
    height: int, width: int, to_height: int, to_width: int
) -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, width, dtype=np.float32)[None, :, None], (height, width, 3))
    canvas, fit = crops.letterbox(ramp.astype(np.uint8), (to_height, to_width))
    shown = max(1, round(width * fit.scale))
    row = canvas[int(fit.dy), int(fit.dx) : int(fit.dx) + shown, 0].astype(float)
    # the middle of each pixel, where it was in the picture
    expected = np.interp((np.arange(shown) + 0.5) * width / shown - 0.5, np.arange(width), ramp[0, :, 0])
    assert np.abs(row - expected).max() <= 3 + 255 / width


def test_a_plate_is_straightened_to_any_shape() -> None:
    corners = np.array([[200, 120], [420, 180], [410, 270], [190, 200]], dtype=np.float32)
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    cv2.fillConvexPoly(image, corners.astype(np.int32), (200, 200, 200))
    crop = crops.rectify_plate(image, corners, margin=0.25, shape=(96, 120))
    assert crop.shape == (96, 120, 3)
    (left, top), (right, bottom) = crops.corners_in_crop(0.25, (96, 120))[[0, 2]]
    assert (left, top, right, bottom) == pytest.approx((20, 16, 100, 80))
    assert crop[int(top) + 4 : int(bottom) - 3, int(left) + 4 : int(right) - 3].min() > 190
    assert crop[: int(top) - 3].max() < 20


def test_a_slanted_plate_is_straightened_with_a_margin_around_it() -> None:
    corners = np.array([[200, 120], [420, 180], [410, 270], [190, 200]], dtype=np.float32)
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    cv2.fillConvexPoly(image, corners.astype(np.int32), (255, 255, 255))
    plate = crops.rectify_plate(image, corners)
    assert plate.shape == crops.PLATE_SHAPE
    top, left = (round(side * crops.PLATE_MARGIN / (1 + 2 * crops.PLATE_MARGIN)) for side in plate.shape[:2])
    inside = plate[top + 3 : -top - 3, left + 3 : -left - 3]
    assert inside.min() > 200
    assert plate[: top - 2].max() < 60
    assert plate[:, : left - 2].max() < 60


@given(
    st.lists(st.floats(-12, 12), min_size=8, max_size=8), st.sampled_from([crops.PLATE_MARGIN, crops.ALIGNER_MARGIN])
)
def test_points_go_into_a_crop_and_back(moved: list[float], margin: float) -> None:
    corners = Box(200, 120, 400, 200).corners() + np.array(moved, dtype=np.float32).reshape(4, 2)
    points = np.array([[210, 130], [300, 160], [390, 110]], dtype=np.float32)
    inside = crops.into_crop(points, corners, margin)
    np.testing.assert_allclose(crops.out_of_crop(inside, corners, margin), points, atol=0.05)
    np.testing.assert_allclose(crops.into_crop(corners, corners, margin), crops.corners_in_crop(margin), atol=0.01)


@pytest.mark.parametrize("margin", [crops.PLATE_MARGIN, crops.ALIGNER_MARGIN])
def test_a_crop_shows_points_where_they_are_said_to_be(margin: float) -> None:
    corners = np.array([[200, 120], [420, 180], [410, 270], [190, 200]], dtype=np.float32)
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    cv2.circle(image, (300, 190), 6, (255, 255, 255), -1)
    plate = crops.rectify_plate(image, corners, margin)
    ys, xs = np.nonzero(plate[..., 0] > 128)
    middle = np.array([xs.mean() + 0.5, ys.mean() + 0.5])
    expected = crops.into_crop(np.array([[300.5, 190.5]], dtype=np.float32), corners, margin)[0]
    np.testing.assert_allclose(middle, expected, atol=0.5)


def test_a_plate_keeps_its_upper_left_corner_when_it_hangs_upside_down() -> None:
    image = checkered(320, 128)
    corners = Box(0, 0, 320, 128).corners()
    upright, turned = crops.rectify_plate(image, corners), crops.rectify_plate(image, np.roll(corners, 2, axis=0))
    np.testing.assert_allclose(upright[::-1, ::-1].astype(int), turned.astype(int), atol=2)
    assert upright[16, 30, 0] < 60 < 180 < turned[16, 30, 0]


def test_a_large_plate_is_averaged_not_skipped() -> None:
    stripes = np.zeros((640, 1600, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    plate = crops.rectify_plate(stripes, Box(100, 100, 1500, 540).corners())
    assert abs(int(plate[20:-20, 20:-20].mean()) - 127) < 6
    assert plate[20:-20, 20:-20].std() < 30


@pytest.mark.parametrize("box", [Box(-50, -50, 20, 20), Box(300, 200, 900, 700), Box(5, 5, 5.1, 5.1)])
def test_a_vehicle_at_the_border_still_gives_a_crop(box: Box) -> None:
    assert crops.crop_vehicle(checkered(320, 240), box).shape == crops.VEHICLE_SHAPE


@given(st.integers(1, 900), st.integers(1, 900), st.data())
def test_a_part_is_shrunk_to_fit_and_shows_what_is_there(height: int, width: int, data: st.DataObject) -> None:
    xmin, ymin = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    xmax, ymax = data.draw(st.integers(xmin + 1, width)), data.draw(st.integers(ymin + 1, height))
    ramp = np.broadcast_to(np.linspace(0, 255, width, dtype=np.float32)[None, :, None], (height, width, 3))
    shown = crops.cut_shrunk(ramp.astype(np.uint8), Box(xmin, ymin, xmax, ymax), 160, 120)
    assert 1 <= shown.shape[1] <= 160
    assert 1 <= shown.shape[0] <= 120
    expected = np.interp((xmin + xmax - 1) / 2, np.arange(width), ramp[0, :, 0])
    assert abs(shown[:, :, 0].mean() - expected) <= 3 + 255 * 16 / width


def test_a_vehicle_of_odd_size_is_averaged_like_one_of_even_size() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (720, 1280, 3)).astype(np.uint8)
    image = np.asarray(cv2.blur(noise, (9, 9)), np.uint8)
    odd, even = (crops.crop_vehicle(image, Box(300, 200, 300 + side, 200 + side)) for side in (401, 402))
    assert np.abs(odd.astype(int) - even).mean() < 2


def test_a_plate_partly_outside_the_picture_still_gives_a_crop() -> None:
    corners = np.array([[-30, 10], [60, 12], [60, 40], [-30, 38]], dtype=np.float32)
    assert crops.rectify_plate(checkered(320, 240), corners).shape == crops.PLATE_SHAPE
