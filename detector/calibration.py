"""Calibrates the detector's scores: a calibrated score is the share of such detections that are plates."""

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
        """The detector's scores, any shape, 0 to 1, as probabilities; the order of scores is preserved."""
        inside = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
        logits = np.log(inside / (1 - inside))
        return np.asarray(1 / (1 + np.exp(-(self.slope * logits + self.offset))), dtype=np.float32)

    def uncalibrated(self, probability: float) -> float:
        """The score that `calibrated` maps to `probability`; 0 and 1 are returned unchanged."""
        if not 0 < probability < 1:
            return probability
        return 1 / (1 + math.exp(-(math.log(probability / (1 - probability)) - self.offset) / self.slope))


@dataclass(frozen=True, slots=True)
class Calibration:
    """The figures fitted to the served models: of the detector's scores, and of `dscore`."""

    detection: PlattScaling
    dscore: Dscore

    @classmethod
    def of(cls, models: ModelRepository) -> Calibration:
        """Raises: CannotStart."""
        return cls(models.fitted(models.calibration_file, PlattScaling), models.dscore)
