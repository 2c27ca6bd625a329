"""Guided decoding, compared with all possible alignments."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ocr.constrained_decoding import Guide, best_match, best_path
from platelane.regions.automata import text_formats

CHARACTERS = ("", "a", "b", "1")


@st.composite
def distributions(draw: st.DrawFn, most: int = 5) -> NDArray[np.float32]:
    weights = draw(
        st.lists(
            st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any),
            min_size=1,
            max_size=most,
        )
    )
    frames: NDArray[np.float32] = np.array([[each / sum(row) for each in row] for row in weights], dtype=np.float32)
    return frames


def expressions() -> st.SearchStrategy[str]:
    atoms = st.sampled_from(["a", "b", "1", ".", "[ab]", r"\d", "[^a]", "A"])

    def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        grouped = inner.map(lambda each: f"(?:{each})")
        return st.one_of(
            st.tuples(grouped, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{,2}", "{2,}"])).map("".join),
            st.lists(inner, min_size=2, max_size=3).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda each: f"(?:{'|'.join(each)})"),
        )

    return st.recursive(atoms, grown, max_leaves=5)


def spelt(characters: tuple[int, ...]) -> str:
    return "".join(CHARACTERS[character] for character in characters)


def every_text(frames: NDArray[np.float32]) -> dict[str, float]:
    """Each text with the probability of its best alignment."""
    best: dict[str, float] = {}
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        text = spelt(tuple(character for character, _ in itertools.groupby(path) if character))
        probability = math.prod(float(frames[t, character]) for t, character in enumerate(path))
        if probability > 0:
            best[text] = max(best.get(text, 0.0), probability)
    return best


@settings(max_examples=300)
@given(frames=distributions(), expression=expressions())
def test_is_the_best_of_all_that_match(frames: NDArray[np.float32], expression: str) -> None:
    matching = {
        text: probability
        for text, probability in every_text(frames).items()
        if re.fullmatch(expression, text, re.IGNORECASE)
    }
    found = best_match(frames, Guide.of(text_formats([expression]), CHARACTERS))
    if found is None:
        assert matching == {}
        return
    text = spelt(found.characters)
    assert re.fullmatch(expression, text, re.IGNORECASE)
    assert math.exp(found.log_probability) == pytest.approx(max(matching.values()), rel=1e-6)
    assert matching[text] == pytest.approx(max(matching.values()), rel=1e-6)
    assert found.log_probability <= best_path(frames) + 1e-6


@settings(max_examples=100)
@given(frames=distributions(), floor=st.floats(0.01, 0.4))
def test_a_floor_rules_out_what_is_below_it_and_nothing_else(frames: NDArray[np.float32], floor: float) -> None:
    kept = np.where(frames >= floor, frames, 0)
    kept[:, 0] = frames[:, 0]
    guide = Guide.of(text_formats([".*"]), CHARACTERS)
    assert best_match(frames, guide, floor) == best_match(kept, guide)


def test_the_same_character_twice_needs_a_blank_between() -> None:
    frames = np.array([[0.1, 0.9, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.9, 0, 0]], dtype=np.float32)
    found = best_match(frames, Guide.of(text_formats(["aa"]), CHARACTERS))
    assert found is not None
    assert found.log_probability == pytest.approx(math.log(0.9 * 0.4 * 0.9), rel=1e-6)


def test_of_several_formats_the_most_probable_is_taken() -> None:
    frames = np.array([[0, 0.5, 0.3, 0.2]], dtype=np.float32)
    found = best_match(frames, Guide.of(text_formats(["1", "b", "ba"]), CHARACTERS))
    assert found is not None
    assert spelt(found.characters) == "b"
