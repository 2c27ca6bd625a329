from __future__ import annotations

import numpy as np
import pytest

from platelane.crops import PLATE_SHAPE
from platelane.geometry import Box
from training.reader_augment import augmented, loosened, photographed
from training.reader_samples import SHARES, Sample, allowed_regions, around, background, group_of, weights

REGIONS = ("au-nsw", "de", "us-ca", "us-ny")


def sample(region: str) -> Sample:
    return Sample(np.zeros((8, 8, 3), np.uint8), Box(1, 1, 7, 5).corners(), (1, 2), region, True)


def test_a_country_allows_its_states_and_no_label_allows_nothing() -> None:
    assert allowed_regions("us", REGIONS).tolist() == [False, False, True, True]
    assert allowed_regions("us-ny", REGIONS).tolist() == [False, False, False, True]
    assert allowed_regions("de", REGIONS).tolist() == [False, True, False, False]
    assert not allowed_regions("", REGIONS).any()
    assert not allowed_regions("unknown", REGIONS).any()


@pytest.mark.parametrize(
    ("region", "group"),
    [("us-tx", "us"), ("us", "us"), ("de", "europe"), ("br", "br"), ("jp", "others"), ("", "others")],
)
def test_groups(region: str, group: str) -> None:
    assert group_of(region) == group


def test_groups_are_drawn_by_their_shares_whatever_their_size() -> None:
    samples = [sample("br")] * 50 + [sample("us-ca")] * 5 + [sample("us-ny")]
    chances = weights(samples)
    assert chances.sum() == pytest.approx(1)
    assert chances[:50].sum() / chances[50:].sum() == pytest.approx(SHARES["br"] / SHARES["us"])
    assert chances[-1] > chances[-2]


def test_the_cutting_around_a_plate_keeps_its_pixels_in_place() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    corners = Box(30, 20, 50, 30).corners()
    view, moved = around(photo, corners, margin=0.5)
    x, y = moved[0].astype(int)
    assert view.shape == (20, 40, 3)
    assert (view[y : y + 10, x : x + 20] == photo[20:30, 30:50]).all()


def test_a_background_is_large_and_beside_the_plates() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[80:120, 100:200] = 255
    for seed in range(30):
        found = background(photo, [Box(100, 80, 200, 120)], np.random.default_rng(seed))
        assert found is not None
        assert found.classes == ()
        (left, top), (right, bottom) = found.corners[0].round().astype(int), found.corners[2].round().astype(int)
        assert right - left >= 40
        assert not found.image[top + 1 : bottom - 1, left + 1 : right - 1].any()


def test_a_picture_that_is_all_plate_has_no_background() -> None:
    photo = np.zeros((50, 100, 3), np.uint8)
    assert background(photo, [Box(0, 0, 100, 50)], np.random.default_rng(0)) is None


def test_severity_zero_moves_corners_by_hardly_anything_and_one_by_some_per_cent() -> None:
    plate = Box(0, 0, 200, 50).corners()
    small, large = (
        np.mean([np.abs(loosened(plate, severity, np.random.default_rng(seed)) - plate).mean() for seed in range(50)])
        for severity in (0.0, 1.0)
    )
    assert small < 1.5
    assert 2 * small < large < 20


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_augmentation_gives_plates_for_the_reader_and_repeats_with_its_seed(severity: float) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 120, 3), dtype=np.uint8)
    corners = Box(10, 5, 110, 35).corners()
    first, again, other = (
        [augmented(picture, corners, severity, random) for _ in range(10)]
        for random in (np.random.default_rng(2), np.random.default_rng(2), np.random.default_rng(3))
    )
    assert all(plate.shape == PLATE_SHAPE and plate.dtype == np.uint8 for plate in first)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_a_photographed_plate_keeps_its_shape() -> None:
    plate = np.full((30, 70, 3), 128, np.uint8)
    results = [photographed(plate, 1.0, np.random.default_rng(seed)) for seed in range(40)]
    assert {(result.shape, result.dtype.name) for result in results} == {((30, 70, 3), "uint8")}
