"""`dscore`: how probable it is that a find is a plate, once it has been read. What reads like a plate is one."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dscore:
    """A logistic regression (Platt 1999) of whether a find is a plate.

    The weights are those of the logit of the detector's own probability and of the text's score, and the constant;
    `training.calibration.score_fit` fits them.
    """

    detection: float
    reading: float
    offset: float

    def of(self, detection: float, text_score: float, doubt: float = 0.0) -> float:
        """The probability of a plate, given that of its looks alone and its text's score, 0 where it has none.

        `doubt` (`platelane.plausibility`) is taken from the log odds.
        """
        if not 0 < detection < 1:
            return detection
        odds = self.detection * _logit(detection) + self.reading * text_score + self.offset - doubt
        return 1 / (1 + math.exp(-odds))

    def without_reading(self, dscore: float, text_score: float, doubt: float = 0.0) -> float:
        """The inverse of `of`: the detector's own probability."""
        if not 0 < dscore < 1:
            return dscore
        odds = _logit(dscore) + doubt - self.reading * text_score - self.offset
        return 1 / (1 + math.exp(-odds / self.detection))

    def least_detection(self, threshold: float) -> float:
        """The detector's probability under which not even the surest text leads to a `dscore` of `threshold`."""
        return self.without_reading(threshold, 1.0)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
