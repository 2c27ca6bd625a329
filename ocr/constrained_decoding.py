"""The most probable reading of a plate among the texts that an automaton accepts.

The search is exact: Viterbi's algorithm over the product of the reader's frames and the automaton's states. Because it
follows single alignments, a nondeterministic automaton works as well as a deterministic one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ocr.ctc import BLANK
from platelane.regions.automata import START, Automaton

_NEVER: Final = -math.inf


@dataclass(frozen=True, slots=True)
class Alignment:
    """A text, and the natural logarithm of the probability of its most probable alignment."""

    characters: tuple[int, ...]
    log_probability: float


@dataclass(frozen=True, slots=True)
class Guide:
    """An automaton over a reader's characters, laid out for NumPy.

    `allowed` is (S, C): which characters lead into each state. `sources` are the states that moves start from, ordered
    by their target; those of moves to `targets[i]` begin at `offsets[i]`.
    """

    allowed: NDArray[np.bool_]
    sources: NDArray[np.intp]
    targets: NDArray[np.intp]
    offsets: NDArray[np.intp]
    finals: NDArray[np.intp]

    @classmethod
    def of(cls, automaton: Automaton, characters: Sequence[str]) -> Guide:
        """`characters`: the reader's characters, blank first."""
        index: Mapping[str, int] = {character: i for i, character in enumerate(characters)}
        allowed = np.zeros((len(automaton.labels), len(characters)), dtype=np.bool_)
        for state, label in enumerate(automaton.labels):
            allowed[state, [index[character] for character in label if character in index]] = True
        moves = sorted((target, source) for source, target in automaton.moves)
        targets, offsets = np.unique(np.array([target for target, _ in moves], dtype=np.intp), return_index=True)
        return cls(
            allowed,
            np.array([source for _, source in moves], dtype=np.intp),
            targets,
            offsets,
            np.array(sorted(automaton.finals), dtype=np.intp),
        )

    def before(self, state: int) -> NDArray[np.intp]:
        """The states with a move to `state`."""
        at = int(np.searchsorted(self.targets, state))
        if at == len(self.targets) or self.targets[at] != state:
            return self.sources[:0]
        end = self.offsets[at + 1] if at + 1 < len(self.offsets) else len(self.sources)
        return self.sources[self.offsets[at] : end]


def best_match(frames: NDArray[np.float32], guide: Guide, floor: float = 0.0) -> Alignment | None:
    """The text with the most probable alignment among those that the guide accepts; None if there is none.

    Args:
        frames: (T, C), each row a distribution over blank and characters.
        floor: characters less probable than this in a frame count as impossible there, which saves time.
    """
    possible = _possible(frames, floor)
    # keep the blank's column first, and of the others those that are possible in any frame
    kept = np.concatenate([[BLANK], np.flatnonzero(possible.any(axis=0))])
    steps = _steps(frames[:, kept], possible[:, kept])
    guide = replace(guide, allowed=guide.allowed[:, kept])
    scores = [_Scores.start(guide)]
    for step in steps:
        scores.append(scores[-1].after(step, guide))
    found = _traced(scores, steps, guide)
    return found and Alignment(tuple(int(kept[character]) for character in found.characters), found.log_probability)


def best_path(frames: NDArray[np.float32]) -> float:
    """Natural logarithm of the probability of the most probable alignment of any text."""
    with np.errstate(divide="ignore"):
        return float(np.log(frames.max(axis=1).astype(np.float64)).sum())


@dataclass(frozen=True, slots=True)
class _Step:
    """One frame, or several in which only the blank is possible: log probabilities of the blank and of the other
    possible characters."""

    blank: float
    characters: NDArray[np.intp]
    logs: NDArray[np.float64]


def _possible(frames: NDArray[np.float32], floor: float) -> NDArray[np.bool_]:
    """(T, C): which characters are possible, not counting blanks."""
    possible: NDArray[np.bool_] = (frames > 0) & (frames >= floor)
    possible[:, BLANK] = False
    return possible


def _steps(frames: NDArray[np.float32], possible: NDArray[np.bool_]) -> list[_Step]:
    with np.errstate(divide="ignore"):
        logs = np.log(frames.astype(np.float64))
    steps: list[_Step] = []
    for row, here in zip(logs, possible, strict=True):
        characters = np.flatnonzero(here)
        if not len(characters) and steps and not len(steps[-1].characters):
            steps[-1] = _Step(steps[-1].blank + row[BLANK], characters, row[characters])
        else:
            steps.append(_Step(float(row[BLANK]), characters, row[characters]))
    return steps


@dataclass(frozen=True, slots=True)
class _Scores:
    """Best log probability of being in each state after some frames: `reading` (S, C) if the last frame was a character
    that leads there, `resting` (S,) if it was a blank."""

    reading: NDArray[np.float64]
    resting: NDArray[np.float64]

    @classmethod
    def start(cls, guide: Guide) -> _Scores:
        resting = np.full(len(guide.allowed), _NEVER)
        resting[START] = 0.0
        return cls(np.full(guide.allowed.shape, _NEVER), resting)

    def after(self, step: _Step, guide: Guide) -> _Scores:
        most = self.reading.max(axis=1)
        resting = np.maximum(self.resting, most) + step.blank
        reading = np.full_like(self.reading, _NEVER)
        if len(step.characters) and len(guide.sources):
            leaving = self._leaving(step.characters, most)
            entering = np.full(leaving.shape, _NEVER)
            entering[guide.targets] = np.maximum.reduceat(leaving[guide.sources], guide.offsets, axis=0)
            best = np.maximum(self.reading[:, step.characters], entering) + step.logs
            reading[:, step.characters] = np.where(guide.allowed[:, step.characters], best, _NEVER)
        return _Scores(reading, resting)

    def _leaving(self, characters: NDArray[np.intp], most: NDArray[np.float64]) -> NDArray[np.float64]:
        """(S, len(characters)): best score of leaving each state by a character; repeating a character needs a blank in
        between."""
        last = self.reading.argmax(axis=1)
        others = self.reading.copy()
        others[np.arange(len(last)), last] = _NEVER
        second = others.max(axis=1)
        lasting = np.where(characters == last[:, None], second[:, None], most[:, None])
        return np.maximum(self.resting[:, None], lasting)


def _traced(scores: list[_Scores], steps: list[_Step], guide: Guide) -> Alignment | None:
    """The best path to a final state, traced back."""
    end = scores[-1]
    if not len(guide.finals):
        return None
    total = np.maximum(end.reading.max(axis=1), end.resting)[guide.finals]
    state = int(guide.finals[total.argmax()])
    log_probability = float(total.max())
    if log_probability == _NEVER:
        return None
    character = int(end.reading[state].argmax()) if end.reading[state].max() > end.resting[state] else BLANK
    text: list[int] = []
    for before in reversed(scores[: len(steps)]):
        if character == BLANK:
            if before.reading[state].max() > before.resting[state]:
                character = int(before.reading[state].argmax())
            continue
        sources = guide.before(state)
        lasting = before.reading[sources].copy()
        lasting[:, character] = _NEVER
        best = np.maximum(lasting.max(axis=1), before.resting[sources]) if len(sources) else np.array([_NEVER])
        if before.reading[state, character] >= best.max():
            continue
        text.append(character)
        at = int(best.argmax())
        state = int(sources[at])
        character = int(lasting[at].argmax()) if lasting[at].max() > before.resting[state] else BLANK
    return Alignment(tuple(reversed(text)), log_probability)
