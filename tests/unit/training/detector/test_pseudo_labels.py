from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from detector.detections import Detections
from training.detector.model import PLATE
from training.detector.pseudo_labels import completed
from training.detector.scenes import PLATES, VEHICLES, empty_scene


def test_pseudo_labels_teach_what_is_certain_and_leave_out_what_is_doubtful() -> None:
    boxes = np.array([[0, 0, 20, 20], [30, 0, 50, 20], [60, 0, 80, 20], [60, 60, 80, 70]], np.float32)
    corners = np.repeat(boxes[:, None, :2], 4, axis=1)
    found = Detections(boxes, np.array([0.9, 0.3, 0.05, 0.9], np.float32), np.array([1, 2, 1, PLATE]), corners)
    scene = completed(empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]), found)
    assert scene.boxes.tolist() == boxes[:1].tolist(), "one certain vehicle; plates were labelled and had none"
    assert np.isnan(scene.corners).all()
    assert scene.ignored.tolist() == boxes[1:2].tolist()
    assert scene.ignored_groups.tolist() == [VEHICLES]
    scene = completed(empty_scene(np.zeros((100, 100, 3), np.uint8), [PLATES]), found)
    assert scene.classes.tolist() == [PLATE]
    assert scene.corners[0].tolist() == corners[3].tolist()


def test_a_labelled_vehicle_is_not_labelled_again() -> None:
    box = np.array([[0, 0, 20, 20]], np.float32)
    scene = replace(
        empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]),
        boxes=box,
        classes=np.array([3]),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )
    found = Detections(box + 1, np.array([0.9], np.float32), np.array([1]), np.zeros((1, 4, 2), np.float32))
    assert completed(scene, found).classes.tolist() == [3]


def test_vehicles_stay_unknown_where_none_is_found_around_a_plate() -> None:
    scene = replace(
        empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]),
        boxes=np.array([[40, 40, 60, 50]], np.float32),
        classes=np.array([PLATE]),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )
    for car, unknown in (([20, 20, 80, 60], []), ([0, 0, 20, 20], [VEHICLES])):
        found = Detections(
            np.array([car], np.float32), np.array([0.9], np.float32), np.array([1]), np.zeros((1, 4, 2), np.float32)
        )
        labelled = completed(scene, found)
        assert labelled.classes.tolist() == [PLATE, 1]
        assert labelled.ignored_groups.tolist() == unknown


def test_a_plate_that_was_overlooked_on_another_vehicle_is_one() -> None:
    cars = np.array([[0, 0, 40, 40], [50, 0, 90, 40], [0, 50, 40, 90]], np.float32)
    label = np.array([[15, 25, 25, 30]], np.float32)
    scene = replace(
        empty_scene(np.zeros((100, 100, 3), np.uint8), [VEHICLES]),
        boxes=label,
        classes=np.array([PLATE]),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )
    # on the labelled plate's own car; on another; doubtful, on a third; on no car at all
    plates = np.array([[5, 5, 15, 10], [65, 25, 75, 30], [15, 75, 25, 80], [60, 60, 80, 70]], np.float32)
    boxes = np.concatenate([cars, plates])
    found = Detections(
        boxes,
        np.array([0.9, 0.9, 0.9, 0.8, 0.8, 0.2, 0.8], np.float32),
        np.array([1, 1, 1, *[PLATE] * 4]),
        np.repeat(boxes[:, None, :2], 4, axis=1),
    )
    labelled = completed(scene, found)
    assert labelled.boxes[labelled.classes == PLATE].tolist() == [*label.tolist(), plates[1].tolist()]
    assert labelled.ignored.tolist() == [plates[2].tolist()]
    assert labelled.ignored_groups.tolist() == [PLATES]
