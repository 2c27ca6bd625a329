"""Characters that some regions draw alike: O and 0, I and 1."""

from __future__ import annotations

from itertools import product
from typing import Final

ALIKE: Final = frozenset({"us", "ca", "mx"})
"""Countries whose plates have one glyph for both of a pair, mostly: which is meant follows from the serial's shape."""
_PAIRS: Final = {"o": "o0", "0": "o0", "i": "i1", "1": "i1"}
_FOLDED: Final = str.maketrans("oi", "01")
_MOST: Final = 5


def folded(text: str) -> str:
    """The text with one character for each glyph."""
    return text.translate(_FOLDED)


def variants(text: str) -> tuple[str, ...]:
    """All texts of the same glyphs, the text among them; the text alone where there are too many."""
    if sum(character in _PAIRS for character in text) > _MOST:
        return (text,)
    return tuple("".join(each) for each in product(*(_PAIRS.get(character, character) for character in text)))
