"""Compares similar plates. Pure functions over texts of lower-case letters and digits."""

from __future__ import annotations

from typing import Final, NamedTuple

from rapidfuzz.distance import Levenshtein

LEAST: Final = 3
"""Fewest characters for near matches: with fewer, everything is near everything."""
AFTER_ALL: Final = "{"
"""The character after z: texts that begin with `ab` are those from `ab` to before `ab{`."""
_ALIKE: Final = str.maketrans("oqdilzsgb", "000112568")


def look_of(text: str) -> str:
    """The look of a text: characters that are easily confused become the same character."""
    return text.translate(_ALIKE)


class Shared(NamedTuple):
    """Parts of a look. Every look within one change of it has at least one of these three parts in common with it."""

    beginning: str
    end: str
    """Reversed."""
    ends: str
    """The first two and the last two characters, the latter reversed."""


def shared(look: str) -> Shared:
    """The parts of a look by which near looks are found.

    A change in the first two characters leaves the end unchanged, one in the last two leaves the beginning unchanged,
    and any other leaves the first two and the last two unchanged.
    """
    kept = max(len(look) - 2, len(look) // 2)
    return Shared(look[:kept], look[::-1][:kept], look[:2] + look[::-1][:2])


def near(one: str, other: str) -> bool:
    """Whether two looks, or two texts, differ by at most one inserted, removed or replaced character."""
    return Levenshtein.distance(one, other, score_cutoff=1) <= 1
