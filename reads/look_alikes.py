"""Plates that differ in little. Pure functions over texts of lower-case letters and digits."""

from __future__ import annotations

from typing import Final

from rapidfuzz.distance import Levenshtein

LEAST: Final = 3
"""Characters that near matches need: of fewer, everything is near everything."""
AFTER_ALL: Final = "{"
"""The character behind z: what begins with `ab` is from `ab` to before `ab{`."""
_ALIKE: Final = str.maketrans("oqdilzsgb", "000112568")


def look(text: str) -> str:
    """The text with characters that are taken for one another as the same one."""
    return text.translate(_ALIKE)


def halves(look: str) -> tuple[str, str]:
    """Beginning and end of a look, one of which every near one shares: a single change leaves the other half alone."""
    middle = len(look) // 2
    return look[:middle], look[middle:]


def near(one: str, other: str) -> bool:
    """Whether two looks, or two texts, differ in one character inserted, removed or replaced at most."""
    return Levenshtein.distance(one, other, score_cutoff=1) <= 1
