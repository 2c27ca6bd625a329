"""`dscore`: how probable it is that a find is a plate, once it has been read. What reads like a plate is one.

A logistic regression on validation photographs (Platt 1999) of whether a find is a plate, on the detector's own
probability and the text's score. The figures are of the committed models; `python -m training.score_fit` finds those of
others.
"""

from __future__ import annotations

import math
from typing import Final

DETECTION: Final = 0.78
READING: Final = 5.31
OFFSET: Final = -2.48


def with_reading(detection: float, text_score: float) -> float:
    """The probability of a plate, given that of its looks alone and its text's score, 0 where it has none."""
    if not 0 < detection < 1:
        return detection
    return 1 / (1 + math.exp(-(DETECTION * _logit(detection) + READING * text_score + OFFSET)))


def without_reading(dscore: float, text_score: float) -> float:
    """The inverse of `with_reading`: the detection's own probability."""
    if not 0 < dscore < 1:
        return dscore
    return 1 / (1 + math.exp(-(_logit(dscore) - READING * text_score - OFFSET) / DETECTION))


def least_detection(threshold: float) -> float:
    """The detection's own probability under which not even the surest text leads to a `dscore` of `threshold`."""
    return without_reading(threshold, 1.0)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
