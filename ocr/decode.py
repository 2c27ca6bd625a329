"""What the reader model says about one plate, as text, candidates and regions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ocr import constrained_decoding, ctc, region_prior
from ocr.guidance import TRUST, UNGUIDED, Guidance
from platelane.pb.v1 import domain_pb2
from platelane.regions import country, glyphs
from platelane.rest_json import CANDIDATES, TOP

_MIN_CANDIDATE: Final = 0.01
"""Candidates whose probability is below this share of the best one's are not worth an operator's look."""
_MIN_CHARACTER: Final = 1e-4
"""Characters less probable than this in a frame are not what a guided text has there."""
_STANDS_OUT: Final = 0.4
"""Share of a country's probability from which on one of its parts is told: of less sure states half are wrong."""
_BEHIND: Final = 0.999
"""What a text of another length than the one that is read without hints may have of the best of that length."""
_LIKELY: Final = 0.02
"""Probability of all regions together that draw O like 0 from which on their other readings are worth the time."""


@dataclass(frozen=True, slots=True)
class DecodedCrop:
    """What the reader model says about one crop of a plate.

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
    ) -> DecodedCrop:
        texts = _texts(frames, tuple(characters), guidance)
        return cls(frames, regions, {text.characters: text.probability for text in texts})


def read(
    decoded: Sequence[DecodedCrop],
    characters: Sequence[str],
    templates: region_prior.Templates,
    guidance: Guidance = UNGUIDED,
    *,
    character_scores: bool = False,
) -> domain_pb2.Plate:
    """A plate without its box; without a text, too, if it is none that a strict guidance accepts.

    Args:
        decoded: crops of one plate, made in one way or several, each as likely to be the right one. A text's
            probability is the mean over them: one that only one of them shows is doubted.
        character_scores: whether each candidate gets those of its characters, as the text always does.
    """
    head = np.mean([crop.regions for crop in decoded], axis=0)
    index = {character: i for i, character in enumerate(characters)}
    texts = _mixed([_with_lookalikes(crop, head, characters, index, templates, guidance) for crop in decoded])
    spelt = tuple("".join(characters[i] for i in text.characters) for text in texts)
    codes = templates.codes
    likely = np.array([text.probability for text in texts])
    unguided = region_prior.TextDistribution(spelt, likely, max(0.0, 1.0 - float(likely.sum())))
    scores, places = region_prior.combine(unguided, head, templates)
    if guidance.expects or guidance.strict:
        alone = scores
        scores, places = region_prior.combine(_expected(unguided, guidance), head, templates, guidance.regions)
        scores = _without_inventions(spelt, scores, alone, guidance)
    plate = domain_pb2.Plate(
        regions=[domain_pb2.Scored(value=code, score=chance) for code, chance in _told(codes, places)]
    )
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > 0][:CANDIDATES]
    if not order:
        return plate
    best = order[0]
    length = len(spelt[best])
    plate.text = spelt[best]
    plate.text_score = ctc.confidence(scores[best], length)
    plate.candidates.extend(
        domain_pb2.Scored(
            value=spelt[i],
            score=ctc.confidence(scores[i], length),
            character_scores=_character_scores(decoded, texts[i].characters) if character_scores else (),
        )
        for i in order
        if scores[i] >= _MIN_CANDIDATE * scores[best] and (spelt[i] or i == best)
    )
    plate.character_scores.extend(_character_scores(decoded, texts[best].characters))
    return plate


def _character_scores(decoded: Sequence[DecodedCrop], text: tuple[int, ...]) -> list[float]:
    """Of each character of a text, in the crop that shows it best."""
    clearest = max(decoded, key=lambda crop: crop.texts.get(text, 0.0))
    return ctc.character_scores(clearest.frames, text)


def _told(codes: tuple[str, ...], places: NDArray[np.float64]) -> list[tuple[str, float]]:
    """The likeliest codes with their probabilities; the country where no part of it stands out."""
    left = places.copy()
    countries = []
    for whole, parts in _divided(codes):
        together = float(places[parts].sum())
        if float(places[parts].max()) < _STANDS_OUT * together:
            countries.append((whole, together))
            left[parts] = -1
    likeliest = [(codes[i], float(left[i])) for i in np.argsort(-left)[:TOP] if left[i] >= 0]
    return sorted([*likeliest, *countries], key=lambda pair: -pair[1])[:TOP]


@lru_cache(maxsize=8)
def _divided(codes: tuple[str, ...]) -> tuple[tuple[str, NDArray[np.intp]], ...]:
    """Countries of which several parts are told apart, with the places of these among the codes."""
    parts: dict[str, list[int]] = defaultdict(list)
    for i, code in enumerate(codes):
        parts[country(code)].append(i)
    return tuple((whole, np.array(members)) for whole, members in parts.items() if len(members) > 1)


def _mixed(decoded: Sequence[DecodedCrop]) -> list[ctc.Text]:
    """Every text of any crop with its mean probability over all crops, 0 where it is not among the most probable."""
    found = dict.fromkeys(text for crop in decoded for text in crop.texts)
    return [ctc.Text(text, sum(crop.texts.get(text, 0.0) for crop in decoded) / len(decoded)) for text in found]


def _texts(frames: NDArray[np.float32], characters: tuple[str, ...], guidance: Guidance) -> list[ctc.Text]:
    """The most probable texts, and the most probable of those that the guidance expects."""
    found = {text.characters: text for text in ctc.beam_search(frames)}
    for guide in guidance.guides(characters):
        match = constrained_decoding.best_match(frames, guide, _MIN_CHARACTER)
        if match is not None and match.log_probability >= constrained_decoding.best_path(frames) - math.log(TRUST):
            found.setdefault(match.characters, ctc.Text(match.characters, ctc.probability(frames, match.characters)))
    return list(found.values())


def _with_lookalikes(
    crop: DecodedCrop,
    head: NDArray[np.floating],
    characters: Sequence[str],
    index: Mapping[str, int],
    templates: region_prior.Templates,
    guidance: Guidance,
) -> DecodedCrop:
    """The crop with all texts of its best one's glyphs, where the plate may be of a region that draws O like 0."""
    likely = float(head[templates.alike[: templates.predicted]].sum()) >= _LIKELY
    if not crop.texts or not (likely or any(country(code) in glyphs.ALIKE for code in guidance.regions)):
        return crop
    best = max(crop.texts, key=crop.texts.__getitem__)
    others = [
        tuple(index[character] for character in text)
        for text in glyphs.variants("".join(characters[i] for i in best))
        if all(character in index for character in text)
    ]
    missing = [text for text in others if text not in crop.texts]
    if not missing:
        return crop
    added = dict(zip(missing, ctc.probabilities(crop.frames, missing).tolist(), strict=True))
    return replace(crop, texts=crop.texts | added)


def _expected(reading: region_prior.TextDistribution, guidance: Guidance) -> region_prior.TextDistribution:
    """The texts' probabilities after the text formats, and where the guidance is strict, without the texts that it does
    not accept. Where none that a format expects is near, the formats are dropped."""
    accepted = np.array([guidance.accepts(text) for text in reading.texts], dtype=np.bool_)
    likely, unlisted = reading.probabilities, reading.unlisted
    near = likely[accepted].max(initial=0.0) * TRUST >= likely.max()
    if guidance.strict and guidance.automata:
        likely, unlisted = likely * (accepted & near), 0.0 if near else 1.0
    elif guidance.formats and near:
        likely, unlisted = np.where(accepted, likely, likely / TRUST), unlisted / TRUST
    return region_prior.TextDistribution(reading.texts, likely, unlisted)


def _without_inventions(
    spelt: Sequence[str], guided: NDArray[np.float64], alone: NDArray[np.float64], guidance: Guidance
) -> NDArray[np.float64]:
    """A hint tells what a character is, not whether there is one. Regions move probability between texts as long as the
    one that is read without hints; a text format may choose one of another length, which gets no likelier than it was.
    """
    length = len(spelt[int(alone.argmax())])
    same = np.array([len(text) == length for text in spelt], dtype=np.bool_)
    if guidance.formats:
        return np.where(same, guided, np.minimum(guided, alone))
    left = alone * (guided > 0)
    there = float(guided[same].sum())
    if there > 0:
        left[same] = guided[same] * float(alone[same].sum()) / there
        left[~same] = np.minimum(left[~same], _BEHIND * left[same].max())
    return left
