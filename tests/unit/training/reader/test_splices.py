from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from platelane.vision.crops import Image, corners_in_crop, rectify_plate  # noqa: E402
from platelane.vision.geometry import Box  # noqa: E402
from training.reader.model import Reader  # noqa: E402
from training.reader.samples import Sample  # noqa: E402
from training.reader.splices import MARGIN, SHAPE, Aligned, Splices, characters, spliced  # noqa: E402
from training.reader.text import target, text_of  # noqa: E402

PLATE = Box(40, 20, 200, 60)
MIDDLES = (0.125, 0.375, 0.625, 0.875)


def sample(text: str, levels: list[int]) -> Sample:
    """A plate with a stripe of one grey for each character, in a black picture."""
    image: Image = np.zeros((80, 240, 3), np.uint8)
    for place, level in enumerate(levels):
        image[20:60, 40 + 40 * place : 80 + 40 * place] = level
    return Sample(image, PLATE.corners(), target(text), "fr", legible=True)


def aligned(text: str, levels: list[int], lines: tuple[int, ...] = (4,), shift: float = 0.0) -> Aligned:
    return Aligned(sample(text, levels), ("fr", lines, False), tuple(middle + shift for middle in MIDDLES))


def test_the_characters_places_are_shares_of_the_plates_width() -> None:
    best = np.zeros(80, np.int64)
    best[[3, 4]], best[20], best[79] = 5, 6, 7
    classes, lines, middles = characters(best)
    assert (classes, lines) == ((5, 6, 7), (2, 1))
    # the crop shows 1.16 widths of the plate, from -0.08 on
    assert middles == pytest.approx((4 / 40 * 1.16 - 0.08, 20.5 / 40 * 1.16 - 0.08, 39.5 / 40 * 1.16 - 0.08))


def test_a_plate_begins_as_one_and_ends_as_the_other() -> None:
    one, other = aligned("ab12", [10, 80, 160, 240]), aligned("cd34", [10, 80, 160, 240])
    seen = set()
    for seed in range(20):
        result = spliced(one, other, np.random.default_rng(seed))
        assert result is not None
        assert result.classes is not None
        seen.add(text_of(result.classes))
        # both look the same, so that it cannot be seen where they meet
        whole = rectify_plate(one.sample.image, one.sample.corners, MARGIN, SHAPE)
        np.testing.assert_allclose(result.image, whole, atol=2)
        np.testing.assert_allclose(result.corners, corners_in_crop(MARGIN, SHAPE))
    assert seen == {"ad34", "ab34", "ab14"}


def test_the_end_is_moved_to_where_the_beginning_ends() -> None:
    one, other = aligned("ab12", [10, 80, 160, 240]), aligned("cd34", [10, 80, 160, 240], shift=-0.05)
    result = spliced(one, other, np.random.default_rng(0))
    assert result is not None
    before = corners_in_crop(MARGIN, SHAPE)
    moved = result.corners - before
    np.testing.assert_allclose(moved[[0, 3]], 0)
    np.testing.assert_allclose(moved[[1, 2]], [[round(0.05 * 320 / 1.5), 0]] * 2)
    assert spliced(one, aligned("cd34", [10, 80, 160, 240], shift=0.1), np.random.default_rng(0)) is None


def test_of_two_lines_either_is_where_the_plates_meet() -> None:
    middles = (0.25, 0.75, 0.25, 0.75)
    one, other = (
        replace(aligned(text, levels, lines=(2, 2)), middles=middles)
        for text, levels in (("ab12", [50, 50, 200, 200]), ("cd34", [200, 200, 50, 50]))
    )
    # from the left half to the right of the middle, in the upper line and in the lower one
    places = [(y, x) for y in (48, 80) for x in (120, 200)]
    brighter_on_the_right = {}
    for seed in range(20):
        result = spliced(one, other, np.random.default_rng(seed))
        assert result is not None
        assert result.classes is not None
        levels = np.array([result.image[place].mean() for place in places]).reshape(2, 2)
        brighter_on_the_right[text_of(result.classes)] = (levels[:, 1] > levels[:, 0] + 50).tolist()
        np.testing.assert_allclose(result.corners, corners_in_crop(MARGIN, SHAPE))
    # the other plate's right half is as bright as this one's left
    assert brighter_on_the_right == {"ad34": [False, False], "ab34": [True, False], "ab14": [True, False]}


def test_plates_that_the_model_does_not_read_stay_as_they_are() -> None:
    torch.manual_seed(0)
    samples = [sample("ab12", [10, 80, 160, 240])]
    splices = Splices.of(samples, Reader(3))
    assert splices.aligned == {}
    assert splices.sample(0, samples[0], np.random.default_rng(0)) is samples[0]


def test_a_plate_is_put_together_with_one_of_its_own_kind() -> None:
    one, other = aligned("ab12", [10, 80, 160, 240]), aligned("cd34", [10, 80, 160, 240])
    splices = Splices({0: one}, {one.kind: [other]})
    result = splices.sample(0, one.sample, np.random.default_rng(0))
    assert result.classes is not None
    assert text_of(result.classes) != "ab12"
    assert result.region == "fr"
