from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.text_score import SHOWN, TextScore


def test_is_a_logistic_regression_of_what_is_shown() -> None:
    assert TextScore(0.8, 0.5).of(0.99) == pytest.approx(0.9849, abs=1e-4)
    assert TextScore(0.8, 0.5).of(0.9) == pytest.approx(0.9053, abs=1e-4)
    assert TextScore(1.0, -2.0).of(0.9) == pytest.approx(0.675), "the least there is: the fit says 0.549"


def test_without_a_fit_the_confidence_is_the_score() -> None:
    assert [TextScore().of(confidence) for confidence in (0.0, 0.3, 0.6, 0.97, 1.0)] == [0.0, 0.3, 0.6, 0.97, 1.0]


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 3), st.floats(-4, 3))
def test_keeps_the_order_and_moves_nothing_over_the_threshold(
    one: float, other: float, slope: float, offset: float
) -> None:
    score = TextScore(slope, offset)
    low, high = sorted((one, other))
    assert 0 <= score.of(low) <= score.of(high) <= 1
    assert (score.of(one) >= SHOWN) == (one >= SHOWN)
