"""What a plate's score means: the share of such finds that are plates, on validation photographs (Platt scaling).

The two figures are of the committed model; `python -m training.score_fit` finds those of another.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

SLOPE: Final = 2.98
OFFSET: Final = 1.60


def calibrated(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of the search, any shape, 0 to 1, as probabilities; order is kept."""
    inside = np.clip(scores.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(1 / (1 + np.exp(-(SLOPE * np.log(inside / (1 - inside)) + OFFSET))), dtype=np.float32)


def uncalibrated(probability: float) -> float:
    """The score that `calibrated` makes `probability` of, at or below it when `probability` is 0 or 1."""
    if not 0 < probability < 1:
        return probability
    return 1 / (1 + math.exp(-(math.log(probability / (1 - probability)) - OFFSET) / SLOPE))
