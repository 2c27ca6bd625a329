from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.unit.training.detector.painted import CAR_COLOUR, PLATE_COLOUR, painted, row
from training.detector.model import PLATE
from training.detector.scenes import VEHICLES, empty_scene, labelled_scene
from training.detector.views import SMALLEST, cut_around_plate, transformed, view


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


@pytest.mark.parametrize(("height", "width"), [(200, 60), (60, 200), (100, 100)])
def test_nothing_of_a_whole_view_that_is_not_tilted_is_cut(
    height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.detector.views._posture", lambda _: (np.eye(3), False))
    corners = (0, 0, width, 0, width, height, 0, height)
    label = row("plate", "plate car", 0, 0, width, height, corners=corners)
    scene = labelled_scene(np.full((height, width, 3), 200, np.uint8), [label])
    largest = 0.0
    for seed in range(60):
        seen = view(scene, 256, 384, np.random.default_rng(seed), whole=True)
        assert not np.isnan(seen.corners).any()  # as they would be of a plate that the border cuts
        low, high = seen.corners[0].min(axis=0), seen.corners[0].max(axis=0)
        assert (low >= -1e-3).all()
        assert (high <= np.array([384, 256]) + 1e-3).all()
        largest = max(largest, *((high - low) / (384, 256)).tolist())
    assert largest > 0.95


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
