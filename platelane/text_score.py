"""Calibrates the score of a text: the share of such texts that are read exactly, on pictures no choice was based on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SHOWN: Final = 0.6
"""Texts with this confidence are shown by default; no calibration moves a text across this limit."""
_LEAST: Final = 0.1
"""Least difference between the lowest and the highest score of shown texts, so that their order is preserved."""


@dataclass(frozen=True, slots=True)
class TextScore:
    """A logistic regression (Platt 1999) of whether a text is read exactly, on the logit of the reader's confidence,
    the geometric mean over its characters. `training.calibration.text_score_fit` fits it; the default is the identity.
    """

    slope: float = 1.0
    offset: float = 0.0

    def of(self, confidence: float) -> float:
        """The score for a confidence. It increases with the confidence, and equals it below `SHOWN`."""
        if confidence < SHOWN:
            return confidence
        inside = min(max(confidence, 1e-3), 1 - 1e-3)
        logit = self.slope * math.log(inside / (1 - inside)) + self.offset
        least = SHOWN + _LEAST * (confidence - SHOWN) / (1 - SHOWN)
        return max(1 / (1 + math.exp(-logit)), least) if self != TextScore() else confidence
