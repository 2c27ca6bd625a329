"""What the reader model says about one plate, as text, candidates and regions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ocr import ctc, evidence, guided
from ocr.guidance import TRUST, UNGUIDED, Guidance
from platelane.answers import CANDIDATES, TOP
from platelane.pb.v1 import domain_pb2

_MIN_CANDIDATE: Final = 0.01
"""Candidates whose probability is below this share of the best one's are not worth an operator's look."""
_MIN_CHARACTER: Final = 1e-4
"""Characters less probable than this in a frame are not what a guided text has there."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What the reader model says about one cut of a plate.

    frames: FP32 (T, C), for each frame a distribution over the characters, blank first; regions: FP32 (R,), a
    distribution over the region codes; texts: the probable texts, each with its probability.
    """

    frames: NDArray[np.float32]
    regions: NDArray[np.float32]
    texts: dict[tuple[int, ...], float]

    @classmethod
    def of(
        cls,
        frames: NDArray[np.float32],
        regions: NDArray[np.float32],
        characters: Sequence[str],
        guidance: Guidance = UNGUIDED,
    ) -> Cut:
        texts = _texts(frames, tuple(characters), guidance)
        return cls(frames, regions, {text.characters: text.probability for text in texts})


def read(
    cuts: Sequence[Cut], characters: Sequence[str], codes: Sequence[str], guidance: Guidance = UNGUIDED
) -> domain_pb2.Plate:
    """A plate without its box; without a text, too, if it is none that a strict guidance accepts.

    Args:
        cuts: the same plate cut in one way or several, each as likely to be the right one. A text's probability is the
            mean over them: one that only one of them shows is doubted.
    """
    texts = _mixed(cuts)
    spelt = tuple("".join(characters[index] for index in text.characters) for text in texts)
    prior = guidance.prior(tuple(codes)) * np.mean([cut.regions for cut in cuts], axis=0)
    scores, places = evidence.combine(
        _expected(texts, spelt, guidance), prior / prior.sum(), evidence.templates(tuple(codes))
    )
    plate = domain_pb2.Plate(
        regions=[domain_pb2.Scored(value=codes[i], score=float(places[i])) for i in np.argsort(-places)[:TOP]]
    )
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > 0][:CANDIDATES]
    if not order:
        return plate
    best = order[0]
    length = len(spelt[best])
    plate.text = spelt[best]
    plate.text_score = ctc.confidence(scores[best], length)
    plate.candidates.extend(
        domain_pb2.Scored(value=spelt[i], score=ctc.confidence(scores[i], length))
        for i in order
        if scores[i] >= _MIN_CANDIDATE * scores[best] and (spelt[i] or i == best)
    )
    shown = texts[best].characters
    clearest = max(cuts, key=lambda cut: cut.texts.get(shown, 0.0))
    plate.character_scores.extend(ctc.character_scores(clearest.frames, shown))
    return plate


def _mixed(cuts: Sequence[Cut]) -> list[ctc.Text]:
    """Every text of any cut with its mean probability over the cuts, 0 where it is not among the most probable."""
    found = dict.fromkeys(text for cut in cuts for text in cut.texts)
    return [ctc.Text(text, sum(cut.texts.get(text, 0.0) for cut in cuts) / len(cuts)) for text in found]


def _texts(frames: NDArray[np.float32], characters: tuple[str, ...], guidance: Guidance) -> list[ctc.Text]:
    """The most probable texts, and the most probable of those that the guidance expects."""
    found = {text.characters: text for text in ctc.beam_search(frames)}
    for guide in guidance.guides(characters):
        match = guided.best_match(frames, guide, _MIN_CHARACTER)
        if match is not None and match.log_probability >= guided.best_path(frames) - math.log(TRUST):
            found.setdefault(match.characters, ctc.Text(match.characters, ctc.probability(frames, match.characters)))
    return list(found.values())


def _expected(texts: Sequence[ctc.Text], spelt: tuple[str, ...], guidance: Guidance) -> evidence.Reading:
    """The texts' probabilities after the guidance. Where none that it expects is near, it is dropped, unless strict."""
    likely = np.array([text.probability for text in texts])
    unlisted = max(0.0, 1.0 - float(likely.sum()))
    if not guidance.formats:
        return evidence.Reading(spelt, likely, unlisted)
    accepted = np.array([guidance.accepts(text) for text in spelt], dtype=np.bool_)
    near = likely[accepted].max(initial=0.0) * TRUST >= likely.max()
    if near:
        others = 0.0 if guidance.strict else likely / TRUST
        return evidence.Reading(spelt, np.where(accepted, likely, others), unlisted / TRUST)
    return evidence.Reading(spelt, likely * (not guidance.strict), 1.0 if guidance.strict else unlisted)
