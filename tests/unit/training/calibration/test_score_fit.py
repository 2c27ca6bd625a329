from __future__ import annotations

import numpy as np
import pytest

from training.calibration.score_fit import logit, regression


@pytest.mark.parametrize("weights", [(4.4, 0.65), (1.0, 0.0), (2.0, -1.5), (0.7, 4.5, -1.8)])
def test_the_curve_that_made_the_outcomes_is_found(weights: tuple[float, ...]) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(0, 1, (20_000, len(weights) - 1))
    likely = 1 / (1 + np.exp(-(inputs @ np.array(weights[:-1]) + weights[-1])))
    right = [bool(hit) for hit in random.random(len(inputs)) < likely]
    assert regression(inputs, right) == pytest.approx(weights, rel=0.1, abs=0.05)


def test_separable_outcomes_give_a_steep_curve_and_no_error() -> None:
    slope, offset = regression(logit([0.1, 0.2, 0.8, 0.9])[:, None], [False, False, True, True])
    assert slope > 1
    assert np.isfinite([slope, offset]).all()


def test_certain_scores_have_a_finite_logit() -> None:
    assert np.isfinite(logit([0.0, 1.0])).all()
    assert logit([0.5])[0] == 0
