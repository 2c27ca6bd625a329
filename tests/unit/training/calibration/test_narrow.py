from __future__ import annotations

import numpy as np

from training.calibration.narrow import HIGHEST, LOWEST, narrowed


def test_weights_keep_their_values_within_half_a_step_of_their_channel() -> None:
    weights = np.random.default_rng(0).normal(size=(8, 4, 3, 3)).astype(np.float32)
    weights[1] *= 100
    values, steps = narrowed(weights, np.ones(8, np.float32))
    assert steps.shape == (8,)
    assert values.dtype == np.int8
    assert steps.dtype == np.float32
    assert (LOWEST, HIGHEST) == (-64, 63)
    assert LOWEST <= values.min() <= values.max() <= HIGHEST
    assert (np.abs(values * steps[:, None, None, None] - weights) <= 0.501 * steps[:, None, None, None]).all()


def test_two_products_with_the_largest_activation_fit_into_sixteen_bits() -> None:
    assert 2 * 255 * max(HIGHEST, -LOWEST) <= np.iinfo(np.int16).max


def test_the_end_that_reaches_farther_sets_the_step() -> None:
    weights = np.array([[-6.4, 1.0], [-1.0, 6.3]], np.float32)
    values, steps = narrowed(weights, np.ones(2, np.float32))
    np.testing.assert_allclose(steps, 0.1, rtol=1e-6)
    assert values.tolist() == [[-64, 10], [-10, 63]]


def test_a_channel_of_zeros_keeps_its_step() -> None:
    values, steps = narrowed(np.zeros((1, 3), np.float32), np.array([0.5], np.float32))
    assert values.tolist() == [[0, 0, 0]]
    assert steps.tolist() == [0.5]
