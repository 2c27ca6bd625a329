from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.bus import subjects
from platelane.errors import BadRequest

WORDS = st.text(st.characters(), max_size=200)
FORBIDDEN = set(" \t\r\n\f.*>")


@given(WORDS)
def test_any_word_comes_back(word: str) -> None:
    assert subjects.decode(subjects.encode(word)) == word


@given(WORDS)
def test_any_word_is_one_token_without_wildcards(word: str) -> None:
    token = subjects.encode(word)

    assert token
    assert token.isascii()
    assert token.isprintable()
    assert not FORBIDDEN & set(token)


@given(WORDS, WORDS)
def test_different_words_are_different_tokens(one: str, other: str) -> None:
    assert (subjects.encode(one) == subjects.encode(other)) == (one == other)


@given(st.binary(max_size=subjects.WORD_LIMIT))
def test_longest_words_fit_a_protocol_line(data: bytes) -> None:
    assert len(subjects.result(data.decode("latin-1")[: subjects.WORD_LIMIT // 2], "j" * 36)) < 4_000


@pytest.mark.parametrize("word", ["gate-1", "cam_2", "Nord~3"])
def test_plain_names_stay_readable(word: str) -> None:
    assert subjects.encode(word) == word


def test_lone_surrogates_come_back() -> None:
    assert subjects.decode(subjects.encode("\ud800")) == "\ud800"


@pytest.mark.parametrize("length", [0, subjects.WORD_LIMIT])
def test_length_limit_is_inclusive(length: int) -> None:
    assert subjects.decode(subjects.encode("x" * length)) == "x" * length


def test_too_long_a_word() -> None:
    with pytest.raises(BadRequest, match="camera_id has 1002 bytes; at most 1000"):
        subjects.encode("ä" * (subjects.WORD_LIMIT // 2 + 1))


def test_subjects_that_other_programs_may_rely_on() -> None:
    assert subjects.result("gate.1", "job") == "platelane.results.gate%2E1.job"
    assert subjects.results("gate") == "platelane.results.gate.*"
    assert subjects.part("job", subjects.PLATES) == "platelane.parts.job.plates"
    assert subjects.parts("job") == "platelane.parts.job.*"
    assert subjects.delivery("hook", "3") == "platelane.deliveries.hook.3"
    assert subjects.dead("JOBS") == "platelane.dead.JOBS"
    assert subjects.usage("", "2026-11") == "platelane.usage.%.2026-11"
