from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmarks.load import Upload
from benchmarks.snapshot import SIZES, resized


def jpeg(width: int, height: int) -> bytes:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, width // 2 :] = 255
    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_any_size_shows_the_middle_of_the_photograph_undistorted(size: tuple[int, int]) -> None:
    width, height = size
    shown = cv2.imdecode(np.frombuffer(resized(jpeg(640, 360), width, height), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert shown is not None
    assert shown.shape == (height, width)
    assert (shown[:, : width // 2 - width // 20] < 20).all()
    assert (shown[:, width // 2 + width // 20 :] > 235).all()


def test_a_photograph_of_that_size_is_sent_as_it_is() -> None:
    photo = jpeg(1280, 720)
    assert resized(photo, 1280, 720) is photo


def test_a_form_carries_the_picture_the_mode_and_whether_make_and_model_are_wanted() -> None:
    form = Upload.of(b"picture", "fast", mmc=True)
    boundary = form.headers["Content-Type"].partition("boundary=")[2].encode()
    assert form.body.count(boundary) == 4
    assert b"picture" in form.body
    assert b'{"mode": "fast"}' in form.body
    assert b'name="mmc"' not in Upload.of(b"picture").body
