from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.calibration import PlattScaling

SCALING = PlattScaling(2.98, 1.6)


@given(st.floats(0.001, 0.999))
def test_a_threshold_keeps_what_the_calibrated_score_would(probability: float) -> None:
    assert SCALING.calibrated(np.array([SCALING.uncalibrated(probability)], np.float32))[0] == pytest.approx(
        probability, abs=1e-3
    )


@given(st.lists(st.floats(0, 1, width=32), min_size=2, unique=True))
def test_order_and_range_are_kept(scores: list[float]) -> None:
    values = SCALING.calibrated(np.sort(np.array(scores, np.float32)))
    assert (np.diff(values) >= 0).all()
    assert (values >= 0).all()
    assert (values <= 1).all()


def test_thresholds_of_nothing_and_everything_stay() -> None:
    assert (SCALING.uncalibrated(0.0), SCALING.uncalibrated(1.0)) == (0.0, 1.0)
