from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from detector.detections import Detections
from training.detector.metrics import Tally, corner_errors, matched, nms

NONE = np.zeros((0, 4), np.float32)
A, B, FAR = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [60.0, 0, 70, 10]


def detections(boxes: list[list[float]], scores: list[float], classes: list[int] | None = None) -> Detections:
    sides = np.array(boxes, np.float32).reshape(-1, 4)
    corners = sides[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    return Detections(sides, np.array(scores, np.float32), np.array(classes or [0] * len(boxes)), corners)


def boxes(*sides: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(sides, np.float32)


def test_a_box_found_twice_counts_once() -> None:
    assert matched(boxes(A, A, B), boxes(B, A)).tolist() == [1, -1, 0]


def test_recall_and_precision_at_a_threshold() -> None:
    tally = Tally()
    tally.add(detections([A, FAR, B], [0.9, 0.6, 0.3]), boxes(A, B), NONE, complete=True)
    assert tally.recall(0.2) == 1.0
    assert tally.precision(0.2) == pytest.approx(2 / 3)
    assert (tally.recall(0.5), tally.precision(0.5)) == (0.5, 0.5)


def test_average_precision_falls_with_false_alarms_above_hits() -> None:
    good, bad = Tally(), Tally()
    good.add(detections([A, B, FAR], [0.9, 0.8, 0.1]), boxes(A, B), NONE, complete=True)
    bad.add(detections([FAR, A, B], [0.9, 0.8, 0.1]), boxes(A, B), NONE, complete=True)
    assert good.average_precision() == pytest.approx(1.0)
    assert bad.average_precision() == pytest.approx(2 / 3)
    assert Tally(objects=3).average_precision() == 0


def test_what_may_be_there_unlabelled_is_no_false_alarm() -> None:
    tally = Tally()
    tally.add(detections([A, FAR], [0.9, 0.8]), boxes(A), boxes(FAR), complete=True)
    tally.add(detections([A, FAR], [0.9, 0.8]), boxes(A), NONE, complete=False)
    assert tally.precision(0.2) == 1.0


def test_a_plate_on_a_vehicle_survives_suppression_and_a_second_vehicle_does_not() -> None:
    kept = nms(detections([A, A, A], [0.5, 0.9, 0.8], [1, 0, 2]))
    assert kept.classes.tolist() == [0, 2]


def test_corner_errors_are_in_heights_of_the_plate() -> None:
    found = detections([[0, 0, 40, 10], A], [0.9, 0.8])
    actual = found.corners[:1] + np.array([3, 4], np.float32)
    assert corner_errors(found, np.array([0, -1]), actual) == [pytest.approx(0.5)]
    assert corner_errors(found, np.array([0, -1]), actual * np.nan) == []
