from __future__ import annotations

from itertools import pairwise

import pytest

from training.reader.text import BLANK, CHARACTERS, alike, greedy, target, text_of


def test_the_classes_are_blank_then_digits_then_letters() -> None:
    assert len(CHARACTERS) == 37
    assert CHARACTERS[BLANK] == ""
    assert "".join(CHARACTERS) == "0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(("text", "read"), [("AB12", "ab12"), ("皖A225J1", "a225j1"), ("", "")])
def test_a_target_is_the_latin_letters_and_digits(text: str, read: str) -> None:
    assert text_of(target(text)) == read
    assert BLANK not in target(text)


def test_frames_give_back_the_text_that_they_spell() -> None:
    text = "aab00c"
    frames: list[int] = []
    for first, second in pairwise(text + " "):
        frames += [*target(first), *target(first), *([BLANK] if first == second else [])]
    assert greedy([BLANK, *frames, BLANK]) == text


def test_repeats_without_a_blank_are_one_character() -> None:
    one, two = target("12")
    assert greedy([one, one, two, two, BLANK, two]) == "122"


def test_only_o_and_i_pass_for_digits() -> None:
    assert alike("oi01", "0101")
    assert not alike("b8", "88")
    assert not alike("o", "oo")
