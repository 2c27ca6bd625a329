from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocr import ctc


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    """The text of an alignment: repeats merged, blanks dropped."""
    return tuple(character for character, _ in itertools.groupby(path) if character != ctc.BLANK)


def exhaustive(frames: NDArray[np.float32]) -> dict[tuple[int, ...], float]:
    """Probability of every text, by enumerating all alignments."""
    texts: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        probability = float(np.prod([frames[t, c] for t, c in enumerate(path)]))
        texts[collapsed(path)] = texts.get(collapsed(path), 0.0) + probability
    return texts


@st.composite
def distributions(draw: st.DrawFn) -> NDArray[np.float32]:
    length, classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    weights = draw(st.lists(st.integers(1, 50), min_size=length * classes, max_size=length * classes))
    table = np.array(weights, dtype=np.float32).reshape(length, classes)
    normalized: NDArray[np.float32] = (table / table.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalized


@given(distributions())
@settings(max_examples=60)
def test_a_wide_beam_finds_the_exact_probabilities(frames: NDArray[np.float32]) -> None:
    expected = exhaustive(frames)
    texts = ctc.beam_search(frames, width=2000)
    assert {text.characters for text in texts} == set(expected)
    for text in texts:
        assert text.probability == pytest.approx(expected[text.characters], rel=1e-4)
    assert texts[0].probability == pytest.approx(max(expected.values()), rel=1e-4)


@given(distributions())
@settings(max_examples=60)
def test_the_probability_of_a_text_is_that_of_all_its_alignments(frames: NDArray[np.float32]) -> None:
    for characters, probability in exhaustive(frames).items():
        assert ctc.probability(frames, characters) == pytest.approx(probability, rel=1e-4, abs=1e-9)
    assert ctc.probability(frames, (1,) * 6) == 0


@given(distributions())
@settings(max_examples=60)
def test_there_is_a_score_for_each_character(frames: NDArray[np.float32]) -> None:
    for text in ctc.beam_search(frames, width=5):
        scores = ctc.character_scores(frames, text.characters)
        assert len(scores) == len(text.characters)
        assert all(0 <= score <= 1 for score in scores)


def peaked(*characters: int, classes: int = 4, sure: float = 0.97) -> NDArray[np.float32]:
    frames = np.full((len(characters), classes), (1 - sure) / (classes - 1), dtype=np.float32)
    frames[np.arange(len(characters)), characters] = sure
    return frames


def test_a_doubled_character_needs_a_blank_between() -> None:
    assert ctc.beam_search(peaked(1, 1, 2))[0].characters == (1, 2)
    assert ctc.beam_search(peaked(1, 0, 1, 2))[0].characters == (1, 1, 2)


def test_the_unsure_character_is_the_one_with_the_low_score() -> None:
    frames = peaked(1, 0, 2, 0, 3)
    frames[2] = [0.05, 0.05, 0.5, 0.4]
    best, second = ctc.beam_search(frames)[:2]
    assert best.characters == (1, 2, 3)
    assert second.characters == (1, 3, 3)
    first, unsure, last = ctc.character_scores(frames, best.characters)
    assert unsure == pytest.approx(0.5)
    assert min(first, last) > 0.9


def test_confidence_does_not_punish_length() -> None:
    assert ctc.confidence(0.9**2, 2) == pytest.approx(ctc.confidence(0.9**7, 7))


def test_an_empty_plate_reads_as_the_empty_text() -> None:
    best = ctc.beam_search(peaked(0, 0, 0))[0]
    assert best.characters == ()
    assert ctc.character_scores(peaked(0, 0, 0), best.characters) == []
