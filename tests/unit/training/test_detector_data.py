from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from training.data import Row
from training.detector_data import (
    PLATES,
    SMALLEST,
    VEHICLES,
    Composer,
    Scene,
    Scenes,
    collate,
    cut_around_plate,
    empty_scene,
    labelled_scene,
    transformed,
    view,
)
from training.detector_loss import NOTHING, VEHICLE
from training.detector_model import PLATE

PLATE_COLOUR, CAR_COLOUR = (250, 10, 10), (10, 10, 250)


def row(kind: str, labelled: str, *sides: float, corners: tuple[float, ...] = ()) -> Row:
    names = [f"{axis}{i}" for i in (1, 2, 3, 4) for axis in "xy"]
    return {
        "class": kind,
        "labelled": labelled,
        **dict(zip(("xmin", "ymin", "xmax", "ymax"), map(str, sides or ("",) * 4), strict=True)),
        **dict(zip(names, map(str, corners or ("",) * 8), strict=True)),
    }


def painted() -> Scene:
    """A car with a plate, each in one colour, so that a view's picture tells where they are."""
    image = np.full((200, 300, 3), 60, np.uint8)
    image[40:160, 60:240] = CAR_COLOUR
    image[120:140, 120:180] = PLATE_COLOUR
    rows = [
        row("car", "plate car", 60, 40, 240, 160),
        row("plate", "plate car", 120, 120, 180, 140, corners=(120, 120, 180, 120, 180, 140, 120, 140)),
    ]
    return labelled_scene(image, rows)


@pytest.mark.parametrize(
    ("labelled", "unknown"),
    [
        ("plate", [VEHICLES]),
        ("plate vehicle", [VEHICLES]),
        ("car truck bus motorcycle person", [PLATES]),
        ("car truck bus motorcycle ambulance partly", [PLATES, VEHICLES]),
        ("plate car truck bus motorcycle", []),
    ],
)
def test_what_is_not_labelled_exhaustively_is_unknown(labelled: str, unknown: list[int]) -> None:
    scene = labelled_scene(np.zeros((30, 40, 3), np.uint8), [row("car", labelled, 1, 2, 20, 21)])
    assert scene.ignored_groups.tolist() == unknown
    assert scene.ignored.tolist() == [[0, 0, 40, 30]] * len(unknown)


def test_persons_and_empty_rows_are_no_objects_and_ambulances_are_vehicles_of_unknown_class() -> None:
    labelled = "car person"
    rows = [
        row("person", labelled, 1, 1, 9, 9),
        row("", labelled),
        row("ambulance", labelled, 5, 5, 25, 25),
        row("bus", labelled, 2, 2, 22, 22),
    ]
    scene = labelled_scene(np.zeros((30, 40, 3), np.uint8), rows)
    assert scene.classes.tolist() == [VEHICLE, 3]
    assert np.isnan(scene.corners).all()


@pytest.mark.parametrize("seed", range(30))
def test_a_view_keeps_labels_on_what_they_label(seed: int) -> None:
    seen = view(painted(), 160, 192, np.random.default_rng(seed))
    for sides, kind in zip(seen.boxes, seen.classes, strict=True):
        colour = PLATE_COLOUR if kind == PLATE else CAR_COLOUR
        near = np.abs(seen.image.astype(int) - colour).max(axis=2) < 60
        if kind != PLATE:
            near |= np.abs(seen.image.astype(int) - PLATE_COLOUR).max(axis=2) < 60
        y, x = np.nonzero(near)
        painted_box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
        tolerance = 2.5 + 0.15 * float((sides[2:] - sides[:2]).max())
        assert np.abs(painted_box - sides).max() <= tolerance


@pytest.mark.parametrize("seed", range(30))
def test_corners_stay_clockwise_from_the_upper_left_when_mirrored(seed: int) -> None:
    seen = view(painted(), 160, 192, np.random.default_rng(seed))
    for corners in seen.corners[~np.isnan(seen.corners).any(axis=(1, 2))]:
        left_up, right_up, right_down, left_down = corners
        assert left_up[0] < right_up[0]
        assert left_down[0] < right_down[0]
        assert left_up[1] < left_down[1]
        assert right_up[1] < right_down[1]


def test_objects_outside_or_tiny_in_a_view_are_not_taught() -> None:
    for seed in range(40):
        seen = view(painted(), 96, 96, np.random.default_rng(seed))
        assert (seen.boxes >= 0).all()
        assert (seen.boxes <= 96).all()
        for sides, group in zip(seen.boxes, seen.groups, strict=True):
            assert (sides[2:] - sides[:2] >= SMALLEST[int(group)]).all()


def test_unknown_areas_move_with_the_picture() -> None:
    scene = empty_scene(np.zeros((50, 100, 3), np.uint8), [VEHICLES])
    half = transformed(scene, np.array([[-0.5, 0, 60], [0, 0.5, 5], [0, 0, 1.0]]), exact=False)
    assert half.ignored.tolist() == [[10, 5, 60, 30]]
    assert half.ignored_groups.tolist() == [VEHICLES]


def test_a_tilted_plate_gets_the_box_around_its_corners() -> None:
    scene = painted()
    cos, sin = np.cos(0.3), np.sin(0.3)
    tilted = transformed(scene, np.array([[cos, -sin, 50], [sin, cos, 0], [0, 0, 1]]), exact=True)
    plate = int(np.flatnonzero(tilted.classes == PLATE)[0])
    low, high = tilted.corners[plate].min(axis=0), tilted.corners[plate].max(axis=0)
    np.testing.assert_allclose(tilted.boxes[plate], [*low, *high], rtol=1e-5)


def test_a_batch_pads_labels_with_nothing() -> None:
    blank = replace(painted(), image=np.zeros((64, 64, 3), np.uint8))
    images, targets = collate([blank, empty_scene(np.zeros((64, 64, 3), np.uint8), [PLATES])])
    assert images.shape == (2, 64, 64, 3)
    assert targets.classes.tolist() == [[1, PLATE], [NOTHING, NOTHING]]
    assert targets.ignored.tolist() == [[[0, 0, 0, 0]], [[0, 0, 64, 64]]]


def test_the_same_seed_composes_the_same_batch() -> None:
    scenes = Scenes([painted()], np.ones(1, np.float32), [empty_scene(np.zeros((90, 90, 3), np.uint8))], [], [])
    (first, labels), (second, labels_again) = (Composer(scenes, 5).batch(96, 128, 6) for _ in range(2))
    assert first.equal(second)
    assert labels.boxes.equal(labels_again.boxes)
    assert not first.equal(Composer(scenes, 6).batch(96, 128, 6)[0])


@pytest.mark.parametrize("seed", range(8))
def test_a_cut_out_plate_is_all_there_and_is_where_its_label_says(seed: int) -> None:
    cut = cut_around_plate(painted(), np.random.default_rng(seed))
    height, width = cut.image.shape[:2]
    assert width < 150
    assert height < 60
    (plate,) = np.flatnonzero(cut.classes == PLATE)
    xmin, ymin, xmax, ymax = cut.boxes[plate].round().astype(int)
    assert (cut.image[ymin:ymax, xmin:xmax] == PLATE_COLOUR).all()
    assert (xmax - xmin) * (ymax - ymin) >= 0.9 * 60 * 20
    assert (cut.boxes >= 0).all()
    assert (cut.boxes <= (width, height, width, height)).all()


def test_a_scene_without_a_wide_plate_is_not_cut() -> None:
    street = empty_scene(np.zeros((50, 80, 3), np.uint8))
    assert cut_around_plate(street, np.random.default_rng(0)) is street


@pytest.mark.parametrize(("height", "width"), [(20, 100), (100, 20), (60, 60)])
def test_a_whole_view_shows_all_of_a_picture_of_any_shape(height: int, width: int) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    label = row("plate", "plate car", 0, 0, width, height)
    for seed in range(20):
        seen = view(labelled_scene(image, [label]), 64, 96, np.random.default_rng(seed), whole=True)
        lost = seen.classes.size == 0  # tilted by much: not taught, for want of corners
        assert lost == (len(seen.ignored) > 0)
        if not lost:
            (xmin, ymin, xmax, ymax) = seen.boxes[0]
            assert max((xmax - xmin) / width, (ymax - ymin) / height) > 0.2
            assert xmax - xmin >= 0.75 * width / height * (ymax - ymin) * 0.75
