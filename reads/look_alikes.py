"""Plates that differ in little. Pure functions over texts of lower-case letters and digits."""

from __future__ import annotations

from typing import Final, NamedTuple

from rapidfuzz.distance import Levenshtein

LEAST: Final = 3
"""Characters that near matches need: of fewer, everything is near everything."""
AFTER_ALL: Final = "{"
"""The character behind z: what begins with `ab` is from `ab` to before `ab{`."""
_ALIKE: Final = str.maketrans("oqdilzsgb", "000112568")


def look(text: str) -> str:
    """The text with characters that are taken for one another as the same one."""
    return text.translate(_ALIKE)


class Shared(NamedTuple):
    """What looks near one share with it, one of the three at least: a single change leaves the other ones alone."""

    beginning: str
    end: str
    """From the last character on."""
    ends: str
    """The two first and the two last characters, the last one first."""


def shared(look: str) -> Shared:
    """What to look for near a look.

    A change among the two first characters leaves the end alone, one among the two last the beginning, and one
    between leaves both alone.
    """
    kept = max(len(look) - 2, len(look) // 2)
    return Shared(look[:kept], look[::-1][:kept], look[:2] + look[::-1][:2])


def near(one: str, other: str) -> bool:
    """Whether two looks, or two texts, differ in one character inserted, removed or replaced at most."""
    return Levenshtein.distance(one, other, score_cutoff=1) <= 1
