from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.common.camera import compressed, downsampled, motion_blurred

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_pictures_keep_shape_and_type(kind: type[np.uint8] | type[np.float32]) -> None:
    picture: NDArray[Any] = PICTURE.astype(kind)
    for result in (downsampled(picture, 0.3), downsampled(picture, 0.001), motion_blurred(picture, 5, 0.7)):
        assert result.shape == picture.shape
        assert result.dtype == picture.dtype
    assert compressed(PICTURE, 40).shape == PICTURE.shape


def test_a_coarse_picture_has_lost_what_is_fine() -> None:
    assert downsampled(PICTURE, 0.25).std() < 0.5 * PICTURE.std()


def test_a_shaken_picture_is_smeared_along_its_way() -> None:
    dot = np.zeros((41, 41, 3), np.float32)
    dot[20, 20] = 90
    smeared = motion_blurred(dot, 8, 0.0)
    assert np.flatnonzero(smeared[:, :, 0].sum(axis=1) > 1).tolist() == [20]
    assert 7 <= np.count_nonzero(smeared[20, :, 0] > 1) <= 10
    assert smeared.sum() == pytest.approx(dot.sum(), rel=1e-4)


def test_a_lower_quality_is_farther_from_the_picture() -> None:
    near, far = (np.abs(compressed(PICTURE, quality).astype(int) - PICTURE).mean() for quality in (90, 10))
    assert near < far
