from __future__ import annotations

import numpy as np
import pytest

from detector import tiling
from detector.detections import Detections


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
    (shown,) = tiling.once(np.zeros((height, width, 3), np.uint8))
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
    shown = tiling.whole(np.zeros((height, width, 3), np.uint8))
    assert [view.canvas.shape[:2] for view in shown] == canvases
    assert [view.fit.scale for view in shown] == pytest.approx(scales)


@pytest.mark.parametrize(
    ("height", "width", "canvas", "corners"),
    [
        (720, 1280, (384, 640), [(0, 0), (512, 0), (0, 288), (512, 288)]),
        (200, 300, (320, 320), [(0, 0), (120, 0), (0, 80), (120, 80)]),
    ],
)
def test_tiles_cover_the_picture_and_overlap(
    height: int, width: int, canvas: tuple[int, int], corners: list[tuple[float, float]]
) -> None:
    shown = tiling.tiles(np.zeros((height, width, 3), np.uint8))
    assert [(view.xmin, view.ymin) for view in shown] == corners
    assert {view.canvas.shape[:2] for view in shown} == {canvas}
    assert shown[0].fit.scale == pytest.approx(min(canvas[0] / height, canvas[1] / width) / 0.6, rel=0.01)


def test_what_a_tile_cuts_off_is_left_to_another() -> None:
    upper_left, upper_right, *_ = tiling.tiles(np.zeros((720, 1280, 3), np.uint8))
    scale = 640 / 768
    # of a plate from 700 to 800 the left tile shows 68 pixels; the right one, from 512 on, all; one is at its border
    boxes = np.array(
        [[700 * scale, 99, 640, 120], [20, 99, 70, 120], [0, 99, 50, 120], [188 * scale, 99, 288 * scale, 120]]
    )
    seen = Detections(
        boxes.astype(np.float32), np.full(4, 0.9, np.float32), np.zeros(4, np.int64), np.zeros((4, 4, 2), np.float32)
    )
    assert upper_left.in_picture(seen[:3]).boxes[:, 0] == pytest.approx([24, 0])
    assert upper_right.in_picture(seen[1:]).boxes[:, 0] == pytest.approx([536, 700])
