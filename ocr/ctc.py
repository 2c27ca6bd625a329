"""Texts from a CTC reader's character distributions.

Connectionist temporal classification: Graves et al., ICML 2006; prefix beam search: Hannun et al., arXiv 1408.2873.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BLANK: Final = 0
"""Index of the blank in a frame's distribution."""

_MIN_PROBABILITY: Final = 1e-3
"""Characters less likely than this in a frame are not followed."""


@dataclass(frozen=True, slots=True)
class Text:
    """A reading. `probability` is that of exactly this text, summed over all alignments."""

    characters: tuple[int, ...]
    probability: float


def confidence(probability: float, length: int) -> float:
    """Geometric mean over a text's characters, 0 to 1, so that short and long plates are comparable."""
    return float(probability ** (1 / max(1, length)))


def beam_search(frames: NDArray[np.float32], width: int = 12) -> list[Text]:
    """The most probable texts, best first.

    Args:
        frames: (T, C), each row a distribution over blank and characters.
        width: how many prefixes are kept after each frame, and at most how many texts are returned.
    """
    # prefix -> probability of all alignments that end in a blank, and of all that end in its last character
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    possible = frames >= _MIN_PROBABILITY
    possible[:, BLANK] = False
    for frame, characters in zip(frames.astype(np.float64).tolist(), map(np.flatnonzero, possible), strict=True):
        blank = frame[BLANK]
        if not len(characters):  # most frames: no prefix grows, and none has to make room
            beam = {
                prefix: ((in_blank + in_character) * blank, in_character * frame[prefix[-1]] if prefix else 0.0)
                for prefix, (in_blank, in_character) in beam.items()
            }
            continue
        grown: dict[tuple[int, ...], list[float]] = {}
        likely = [(character, frame[character]) for character in characters.tolist()]
        for prefix, (in_blank, in_character) in beam.items():
            total = in_blank + in_character
            own = grown.setdefault(prefix, [0.0, 0.0])
            own[0] += total * blank
            if prefix:
                own[1] += in_character * frame[prefix[-1]]
            for character, probability in likely:
                # repeating a character needs a blank in between
                before = in_blank if prefix and prefix[-1] == character else total
                grown.setdefault((*prefix, character), [0.0, 0.0])[1] += before * probability
        best = sorted(grown.items(), key=lambda item: -sum(item[1]))[:width]
        beam = {prefix: (in_blank, in_character) for prefix, (in_blank, in_character) in best}
    texts = [Text(prefix, min(1.0, sum(parts))) for prefix, parts in beam.items() if sum(parts) > 0]
    return sorted(texts, key=lambda text: -text.probability)


def probability(frames: NDArray[np.float32], characters: Sequence[int]) -> float:
    """How probable exactly this text is, summed over all alignments."""
    return float(probabilities(frames, [characters])[0])


def probabilities(frames: NDArray[np.float32], texts: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """As `probability`, for several texts of the same length; shape (len(texts),)."""
    extended = np.array([_between_blanks(characters) for characters in texts])
    skips = np.array([_skips(each) for each in extended.tolist()])[:, 2:]
    likely = frames.astype(np.float64)[:, extended]
    parts = np.zeros(extended.shape)
    parts[:, :2] = likely[0, :, :2]
    for row in likely[1:]:
        moved = parts.copy()
        moved[:, 1:] += parts[:, :-1]
        moved[:, 2:] += np.where(skips, parts[:, :-2], 0.0)
        parts = moved * row
    return np.asarray(np.minimum(1.0, parts[:, -2:].sum(axis=1)))


def character_scores(frames: NDArray[np.float32], characters: Sequence[int]) -> list[float]:
    """Confidence of each character of a text: its probability in its frame of the best alignment (Viterbi)."""
    extended = _between_blanks(characters)
    states = len(extended)
    with np.errstate(divide="ignore"):
        log_frames = np.log(frames[:, extended].astype(np.float64))
    score = np.full(states, -math.inf)
    score[: min(2, states)] = log_frames[0, : min(2, states)]
    steps = np.zeros((len(frames), states), dtype=np.int64)
    skipping = np.where(_skips(extended), 0.0, -math.inf)[2:]
    moves = np.full((3, states), -math.inf)
    for t in range(1, len(frames)):
        moves[0] = score
        moves[1, 1:] = score[:-1]
        np.add(score[:-2], skipping, out=moves[2, 2:])
        moves.argmax(axis=0, out=steps[t])
        score = moves.max(axis=0) + log_frames[t]
    state = states - 1 if states == 1 or score[-1] >= score[-2] else states - 2
    best = np.zeros(states)
    for t in range(len(frames) - 1, -1, -1):
        best[state] = max(best[state], float(frames[t, extended[state]]))
        state -= int(steps[t, state])
    return [float(best[2 * i + 1]) for i in range(len(characters))]


def _between_blanks(characters: Sequence[int]) -> list[int]:
    extended = [BLANK]
    for character in characters:
        extended += [character, BLANK]
    return extended


def _skips(extended: Sequence[int]) -> NDArray[np.bool_]:
    """At which characters the preceding blank may be skipped."""
    return np.array(
        [i > 1 and extended[i] != BLANK and extended[i] != extended[i - 2] for i in range(len(extended))],
        dtype=np.bool_,
    )
