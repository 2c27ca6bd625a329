"""Characters that some regions draw identically: O and 0, I and 1."""

from __future__ import annotations

from itertools import product
from typing import Final

ALIKE: Final = frozenset({"us", "ca", "mx"})
"""Countries whose plates mostly use one glyph for both characters; the serial's format decides which is meant."""
_PAIRS: Final = {"o": "o0", "0": "o0", "i": "i1", "1": "i1"}
_FOLDED: Final = str.maketrans("oi", "01")
_MOST: Final = 5


def folded(text: str) -> str:
    """The text with one character for each glyph."""
    return text.translate(_FOLDED)


def variants(text: str) -> tuple[str, ...]:
    """All texts with the same glyphs, including the text itself; only the text if there are too many."""
    if sum(character in _PAIRS for character in text) > _MOST:
        return (text,)
    return tuple("".join(each) for each in product(*(_PAIRS.get(character, character) for character in text)))
