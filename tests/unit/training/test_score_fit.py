from __future__ import annotations

import math

import numpy as np
import pytest

from training.score_fit import platt


@pytest.mark.parametrize(("slope", "offset"), [(4.4, 0.65), (1.0, 0.0), (2.0, -1.5)])
def test_the_curve_that_made_the_outcomes_is_found(slope: float, offset: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1, 20_000)
    right = random.random(len(logits)) < 1 / (1 + np.exp(-(slope * logits + offset)))
    fitted = platt([(1 / (1 + math.exp(-logit)), bool(hit)) for logit, hit in zip(logits, right, strict=True)])
    assert fitted == pytest.approx((slope, offset), rel=0.1, abs=0.05)


def test_separable_outcomes_give_a_steep_curve_and_no_error() -> None:
    slope, _ = platt([(0.1, False), (0.2, False), (0.8, True), (0.9, True)])
    assert slope > 1
    assert math.isfinite(slope)
