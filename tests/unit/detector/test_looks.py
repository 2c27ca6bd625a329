from __future__ import annotations

import numpy as np
import pytest

from detector import looks


@pytest.mark.parametrize(
    ("height", "width", "canvas", "scale"),
    [
        (720, 1280, (288, 480), 0.375),
        (1200, 800, (480, 288), 0.36),
        (640, 640, (352, 352), 0.55),
        (300, 300, (320, 320), 320 / 480),
    ],
)
def test_the_fast_mode_sees_the_whole_picture_once(
    height: int, width: int, canvas: tuple[int, int], scale: float
) -> None:
    (shown,) = looks.once(np.zeros((height, width, 3), np.uint8))
    assert shown.canvas.shape[:2] == canvas
    assert shown.fit.scale == pytest.approx(scale)


@pytest.mark.parametrize(
    ("height", "width", "canvases", "scales"),
    [
        (720, 1280, [(384, 640), (320, 320)], [0.5, 0.25]),
        (1200, 800, [(640, 384), (320, 320)], [0.48, 320 / 1200]),
        (300, 300, [(320, 320), (320, 320)], [320 / 300, 320 / 480]),
    ],
)
def test_the_whole_picture_is_shown_twice_and_never_enlarged_much(
    height: int, width: int, canvases: list[tuple[int, int]], scales: list[float]
) -> None:
    shown = looks.whole(np.zeros((height, width, 3), np.uint8))
    assert [look.canvas.shape[:2] for look in shown] == canvases
    assert [look.fit.scale for look in shown] == pytest.approx(scales)
