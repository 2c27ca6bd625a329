from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.detections import PLATE, Detections
from platelane.vision.geometry import Letterbox


def detections(rows: list[tuple[float, float, float, float, float, int]]) -> Detections:
    """Of (xmin, ymin, xmax, ymax, score, class)."""
    table = np.array(rows, dtype=np.float32).reshape(-1, 6)
    corners = np.stack([table[:, [0, 1]], table[:, [2, 1]], table[:, [2, 3]], table[:, [0, 3]]], axis=1)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64), corners)


sides = st.floats(1, 100, width=32)
rows = st.lists(
    st.builds(
        lambda x, y, w, h, s: (x, y, x + w, y + h, s, PLATE),
        st.floats(0, 500, width=32),
        st.floats(0, 500, width=32),
        sides,
        sides,
        st.floats(0, 1, width=32),
    ),
    max_size=20,
)


@given(rows)
def test_suppression_keeps_the_best_and_no_two_rivals(
    objects: list[tuple[float, float, float, float, float, int]],
) -> None:
    everything = detections(objects)
    kept = everything.nms(0.5)
    assert len(kept) <= len(everything)
    assert list(kept.scores) == sorted(kept.scores, reverse=True)
    if objects:
        assert kept.scores[0] == everything.scores.max()
    again = kept.nms(0.5)
    assert len(again) == len(kept), "what was kept does not suppress each other"


def test_a_cut_off_look_at_the_same_plate_goes() -> None:
    whole, part = (10, 10, 110, 40, 0.9, PLATE), (10, 10, 40, 40, 0.8, PLATE)
    assert len(detections([whole, part]).nms(0.5)) == 2, "they overlap little"
    kept = detections([part, whole]).nms(0.5, containment=0.7)
    assert kept.boxes.tolist() == [[10, 10, 110, 40]]


def test_neighbours_stay() -> None:
    assert len(detections([(0, 0, 50, 20, 0.9, PLATE), (55, 0, 105, 20, 0.8, PLATE)]).nms(0.4, 0.7)) == 2


def test_classes_are_told_apart() -> None:
    found = detections([(0, 0, 9, 9, 0.9, PLATE), (0, 0, 9, 9, 0.8, 1), (0, 0, 9, 9, 0.1, 4)])
    assert found.plates.scores.tolist() == [np.float32(0.9)]
    assert found.vehicles.above(0.5).classes.tolist() == [1]


def test_model_outputs_are_split_by_picture() -> None:
    outputs = {
        "boxes": np.arange(16, dtype=np.float32).reshape(2, 2, 4),
        "scores": np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32),
        "classes": np.array([[0, 1], [2, 0]]),
        "corners": np.arange(32, dtype=np.float32).reshape(2, 2, 8),
    }
    first, second = Detections.of_outputs(outputs)
    assert first.boxes[1].tolist() == [4, 5, 6, 7]
    assert second.corners[0].tolist() == [[16, 17], [18, 19], [20, 21], [22, 23]]


def test_canvas_pixels_become_picture_pixels() -> None:
    fit = Letterbox.fit(1280, 720, 640, 384)
    moved = detections([(0, 12, 640, 372, 0.9, PLATE)]).in_picture(fit, xmin=100, ymin=50)
    np.testing.assert_allclose(moved.boxes, [[100, 50, 1380, 770]])
    np.testing.assert_allclose(moved.corners[0, 2], [1380, 770])
