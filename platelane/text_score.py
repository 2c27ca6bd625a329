"""What the score of a text means: the share of such texts that are read exactly, on pictures that chose nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SHOWN: Final = 0.6
"""From here on texts are shown by default: no calibration moves one below or above it."""
_LEAST: Final = 0.1
"""What lies between the least and the surest text of those shown, at least: their order stays."""


@dataclass(frozen=True, slots=True)
class TextScore:
    """A logistic regression (Platt 1999) of whether a text is read exactly, on the logit of the reader's confidence,
    the geometric mean over its characters. `training.calibration.text_score_fit` fits it; as it is, it changes nothing.
    """

    slope: float = 1.0
    offset: float = 0.0

    def of(self, confidence: float) -> float:
        """Rises with the confidence, and is that confidence below `SHOWN`."""
        if confidence < SHOWN:
            return confidence
        inside = min(max(confidence, 1e-3), 1 - 1e-3)
        logit = self.slope * math.log(inside / (1 - inside)) + self.offset
        least = SHOWN + _LEAST * (confidence - SHOWN) / (1 - SHOWN)
        return max(1 / (1 + math.exp(-logit)), least) if self != TextScore() else confidence
