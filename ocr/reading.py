"""What the reader model says about one plate, as text, candidates and regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ocr import ctc
from platelane.pb.v1 import domain_pb2

MAX_CANDIDATES: Final = 5
MAX_REGIONS: Final = 3
_MIN_CANDIDATE: Final = 0.01
"""Candidates whose probability is below this share of the best one's are not worth an operator's look."""


def read(
    frames: NDArray[np.float32], regions: NDArray[np.float32], characters: Sequence[str], codes: Sequence[str]
) -> domain_pb2.Plate:
    """A plate without its box.

    Args:
        frames: FP32 (T, C), for each frame a distribution over `characters`, blank first.
        regions: FP32 (R,), a distribution over `codes`.
    """
    texts = ctc.beam_search(frames)
    best = texts[0]
    candidates = [text for text in texts if text.probability >= _MIN_CANDIDATE * best.probability][:MAX_CANDIDATES]

    def spelt(text: ctc.Text) -> str:
        return "".join(characters[index] for index in text.characters)

    return domain_pb2.Plate(
        text=spelt(best),
        text_score=best.confidence,
        candidates=[domain_pb2.Scored(value=spelt(text), score=text.confidence) for text in candidates],
        regions=[
            domain_pb2.Scored(value=codes[i], score=float(regions[i])) for i in np.argsort(-regions)[:MAX_REGIONS]
        ],
        character_scores=ctc.character_scores(frames, best),
    )
