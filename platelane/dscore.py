"""`dscore`: the probability that a detection is a plate, once it has been read. What reads like a plate is one."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dscore:
    """A logistic regression (Platt 1999) of whether a detection is a plate.

    Its weights are those of the logit of the detector's own probability and of the text's score, and a constant, fitted
    by `training.calibration.score_fit`.
    """

    detection: float
    reading: float
    offset: float

    def of(self, detection: float, text_score: float, doubt: float = 0.0) -> float:
        """The probability of a plate, from the detector's own probability and the text's score (0 without a text).

        `doubt` (`platelane.plausibility`) is subtracted from the log odds.
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
        """The detector's probability below which even the most certain text does not reach `threshold`."""
        return self.without_reading(threshold, 1.0)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
