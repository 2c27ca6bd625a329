"""Turns the reader model's output for one plate into text, candidates and regions."""

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
"""Candidates whose probability is below this share of the best one's are not worth showing."""
_MIN_CHARACTER: Final = 1e-4
"""Characters less probable than this in a frame are not considered there for guided texts."""
_STANDS_OUT: Final = 0.4
"""Share of a country's probability from which one of its parts is reported: half of the less certain states are wrong.
"""
_BEHIND: Final = 0.999
"""Upper limit of the probability of a text whose length differs from that of the text read without hints, relative to
the best text of that length."""
_LIKELY: Final = 0.02
"""Total probability of the regions that draw O like 0 from which look-alike readings are worth the time."""


@dataclass(frozen=True, slots=True)
class DecodedCrop:
    """The reader model's output for one crop of a plate.

    frames: FP32 (T, C), for each frame a distribution over the characters, blank first; regions: FP32 (R,), a
    distribution over the region codes; texts: the probable texts with their probabilities.
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
    """A plate without its box; also without a text if strict guidance accepts none.

    Args:
        decoded: crops of one plate, cut in one or more ways that are equally likely to be right. A text's probability
            is the mean over the crops, so a text that only one of them shows becomes doubtful.
        character_scores: whether candidates get the scores of their characters, as the text always does.
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
        scores = _keep_length(spelt, scores, alone, guidance)
    plate = domain_pb2.Plate(
        regions=[domain_pb2.Scored(value=code, score=chance) for code, chance in _reported_regions(codes, places)]
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
    """The scores of a text's characters, in the crop in which the text is most probable."""
    clearest = max(decoded, key=lambda crop: crop.texts.get(text, 0.0))
    return ctc.character_scores(clearest.frames, text)


def _reported_regions(codes: tuple[str, ...], places: NDArray[np.float64]) -> list[tuple[str, float]]:
    """The likeliest codes with their probabilities; the country instead of its parts if none of them stands out."""
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
    """Countries with several predicted parts, with the indices of these parts among the codes."""
    parts: dict[str, list[int]] = defaultdict(list)
    for i, code in enumerate(codes):
        parts[country(code)].append(i)
    return tuple((whole, np.array(members)) for whole, members in parts.items() if len(members) > 1)


def _mixed(decoded: Sequence[DecodedCrop]) -> list[ctc.Text]:
    """Every text of any crop with its mean probability over all crops; it counts 0 for crops that do not list it."""
    found = dict.fromkeys(text for crop in decoded for text in crop.texts)
    return [ctc.Text(text, sum(crop.texts.get(text, 0.0) for crop in decoded) / len(decoded)) for text in found]


def _texts(frames: NDArray[np.float32], characters: tuple[str, ...], guidance: Guidance) -> list[ctc.Text]:
    """The most probable texts, and the most probable one that the guidance expects."""
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
    """The crop with all texts that look like its best one, if the plate may be from a region that draws O like 0."""
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
    """The texts' probabilities adjusted for the text formats, and without unaccepted texts if the guidance is strict.
    If no expected text is nearly as probable as the best one, the formats are ignored."""
    accepted = np.array([guidance.accepts(text) for text in reading.texts], dtype=np.bool_)
    likely, unlisted = reading.probabilities, reading.unlisted
    near = likely[accepted].max(initial=0.0) * TRUST >= likely.max()
    if guidance.strict and guidance.automata:
        likely, unlisted = likely * (accepted & near), 0.0 if near else 1.0
    elif guidance.formats and near:
        likely, unlisted = np.where(accepted, likely, likely / TRUST), unlisted / TRUST
    return region_prior.TextDistribution(reading.texts, likely, unlisted)


def _keep_length(
    spelt: Sequence[str], guided: NDArray[np.float64], alone: NDArray[np.float64], guidance: Guidance
) -> NDArray[np.float64]:
    """Hints may decide between characters, but not add or remove one. Regions only move probability between texts of
    the same length as the text read without hints. A text format may select a text of another length, but does not make
    it more probable."""
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
