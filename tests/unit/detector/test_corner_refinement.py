from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.corner_refinement import refine_corners
from detector.search import Found, FoundPlate, FoundVehicle
from platelane.vision.crops import ALIGNER_MARGIN, PLATE_SHAPE, corners_in_crop, into_crop, rectify_plate
from platelane.vision.geometry import Box, Corners

PHOTO = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
TRUE = np.array([[60, 80], [150, 90], [148, 125], [58, 112]], dtype=np.float32)
GIVEN = Box(55, 78, 155, 120).corners()


def found(*corners: Corners) -> Found:
    plates = tuple(FoundPlate(Box(55, 78, 155, 120), Box(55, 78, 155, 120), four, GIVEN, 0.9, 0) for four in corners)
    return Found(plates, (FoundVehicle(Box(0, 0, 320, 240), 0.8),))


class Answers:
    """A model that has one answer for every crop, and keeps the crops."""

    def __init__(self, corners: Corners) -> None:
        self.corners = corners
        self.crops: list[bytes] = []

    async def __call__(self, crops: Sequence[bytes]) -> NDArray[np.float32]:
        self.crops += crops
        return np.stack([self.corners] * len(crops))


async def test_corners_are_those_that_the_model_sees_in_the_crop() -> None:
    told = GIVEN + np.array([3, 1], np.float32)
    model = Answers(into_crop(TRUE, told, ALIGNER_MARGIN))
    before = found(told, told)
    after = await refine_corners(model, PHOTO, before)

    assert model.crops == [rectify_plate(PHOTO, start, ALIGNER_MARGIN).tobytes() for start in (told, GIVEN)] * 2
    assert len(model.crops[0]) == np.prod(PLATE_SHAPE)
    for plate in after.plates:
        np.testing.assert_allclose(plate.corners, TRUE, atol=0.01)
        # the same answer for a crop that begins three pixels farther left
        np.testing.assert_allclose(plate.corners_from_box, TRUE - np.array([3, 1], np.float32), atol=0.01)
        assert (plate.box, plate.score, plate.vehicle) == (Box(55, 78, 155, 120), 0.9, 0)
        # around the corners, 58 to 150 and 80 to 125, and 3 % on every side
        assert plate.bounds == Box(55, 79, 153, 126)
    assert after.vehicles == before.vehicles


@pytest.mark.parametrize(
    "nonsense",
    [
        corners_in_crop(ALIGNER_MARGIN)[[1, 0, 2, 3]],
        corners_in_crop(ALIGNER_MARGIN)[::-1],
        np.full((4, 2), 50, np.float32),
        np.full((4, 2), np.nan, np.float32),
    ],
    ids=["crossed", "mirrored", "a point", "not a number"],
)
async def test_what_is_no_plate_leaves_the_corners_as_they_were(nonsense: Corners) -> None:
    (plate,) = (await refine_corners(Answers(nonsense.astype(np.float32)), PHOTO, found(GIVEN))).plates

    np.testing.assert_array_equal(plate.corners, GIVEN)
    np.testing.assert_array_equal(plate.corners_from_box, plate.box.corners())


async def test_corners_of_something_else_do_not_move_the_reported_box() -> None:
    elsewhere = into_crop(TRUE * np.float32(0.3) + np.float32(40), GIVEN, ALIGNER_MARGIN)
    (plate,) = (await refine_corners(Answers(elsewhere), PHOTO, found(GIVEN))).plates
    assert plate.bounds == plate.box


async def test_a_picture_without_plates_costs_no_call() -> None:
    model = Answers(GIVEN)
    assert await refine_corners(model, PHOTO, found()) == found()
    assert model.crops == []
