from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models import DSCORE

probabilities = st.floats(0.001, 0.999)
scores = st.floats(0, 1)


@given(probabilities, scores, scores)
def test_a_surer_text_makes_a_surer_plate(detection: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 < DSCORE.of(detection, low) <= DSCORE.of(detection, high) <= 1


@given(probabilities, probabilities, scores)
def test_a_surer_detection_makes_a_surer_plate(one: float, other: float, text: float) -> None:
    low, high = sorted((one, other))
    assert DSCORE.of(low, text) <= DSCORE.of(high, text)


@given(probabilities, scores)
def test_what_the_reading_added_can_be_taken_away(detection: float, text: float) -> None:
    assert DSCORE.without_reading(DSCORE.of(detection, text), text) == pytest.approx(detection, abs=1e-3)


@given(probabilities, scores, st.floats(0.1, 10))
def test_doubt_lowers_it_and_can_be_taken_away(detection: float, text: float, doubt: float) -> None:
    doubted = DSCORE.of(detection, text, doubt)
    assert doubted < DSCORE.of(detection, text)
    assert DSCORE.without_reading(doubted, text, doubt) == pytest.approx(detection, abs=1e-3)


@given(probabilities, probabilities, scores)
def test_nothing_is_left_out_that_a_text_could_lift_over_the_threshold(
    threshold: float, detection: float, text: float
) -> None:
    if DSCORE.of(detection, text) >= threshold:
        assert detection >= DSCORE.least_detection(threshold) - 1e-9


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_certainty_stays(certain: float) -> None:
    assert DSCORE.of(certain, 0.5) == DSCORE.without_reading(certain, 0.5) == DSCORE.least_detection(certain) == certain
