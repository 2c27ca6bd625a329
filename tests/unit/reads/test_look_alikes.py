"""Near matches of plates, and how the index finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reads.look_alikes import look_of, near, shared

plates = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ab12cde", "ab12cde", True),
        ("ab12cde", "abi2cde", True),  # the same look
        ("ab12cde", "a812cde", True),
        ("s0q", "5od", True),
        ("ab12cde", "ab12cd", True),
        ("ab12cde", "xab12cde", True),
        ("ab12cde", "ab13cde", True),
        ("ab12cde", "ab13cdf", False),
        ("ab12cde", "ba12cde", False),
    ],
)
def test_near(one: str, other: str, expected: bool) -> None:
    assert near(look_of(one), look_of(other)) is expected


@given(plates, st.integers(0, 9), st.sampled_from(["insert", "remove", "replace"]), st.sampled_from("ax7"))
def test_what_is_near_shares_enough(plate: str, place: int, change: str, character: str) -> None:
    wanted, place = look_of(plate), min(place, len(plate) - 1)
    middle = {"insert": character + wanted[place], "remove": "", "replace": character}[change]
    other = wanted[:place] + middle + wanted[place + 1 :]
    beginning, end, ends = shared(wanted)
    assert near(other, wanted)
    assert other.startswith(beginning) or other[::-1].startswith(end) or other[:2] + other[::-1][:2] == ends
