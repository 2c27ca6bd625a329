"""What a plate's score means: the share of such finds that are plates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platelane.dscore import Dscore
from platelane.vision.model_specs import ModelRepository


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """A logistic regression on the logit of the detector's scores (Platt 1999), fitted by
    `training.calibration.score_fit`."""

    slope: float
    offset: float

    def calibrated(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of the detector, any shape, 0 to 1, as probabilities; order is kept."""
        inside = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
        logits = np.log(inside / (1 - inside))
        return np.asarray(1 / (1 + np.exp(-(self.slope * logits + self.offset))), dtype=np.float32)

    def uncalibrated(self, probability: float) -> float:
        """The score that `calibrated` makes `probability` of, at or below it when `probability` is 0 or 1."""
        if not 0 < probability < 1:
            return probability
        return 1 / (1 + math.exp(-(math.log(probability / (1 - probability)) - self.offset) / self.slope))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted to the served models: the detector's probability of a plate, and what reading adds to it."""

    detection: PlattScaling
    dscore: Dscore

    @classmethod
    def of(cls, models: ModelRepository) -> Calibration:
        """Raises: CannotStart."""
        return cls(models.fitted(models.calibration_file, PlattScaling), models.dscore)
