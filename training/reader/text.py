"""The reader's alphabet: CTC targets of plate texts, texts of CTC frames, and comparison of texts."""

from __future__ import annotations

import string
from collections.abc import Sequence
from itertools import groupby
from typing import Final

BLANK: Final = 0
CHARACTERS: Final = ("", *string.digits, *string.ascii_lowercase)
"""The classes of a CTC frame; index 0 is the blank."""

_INDEX: Final = {character: index for index, character in enumerate(CHARACTERS) if character}
_LOOKALIKES: Final = str.maketrans("oi", "01")


def target(text: str) -> tuple[int, ...]:
    """CTC classes of a labelled text, without characters that are not Latin letters or digits (Chinese provinces)."""
    return tuple(_INDEX[character] for character in text.lower() if character in _INDEX)


def text_of(classes: Sequence[int]) -> str:
    """The text of a target, lower case."""
    return "".join(CHARACTERS[index] for index in classes)


def greedy(best: Sequence[int]) -> str:
    """The text of the best class of every frame: repeats merged, then blanks dropped."""
    return text_of([index for index, _ in groupby(best) if index != BLANK])


def alike(first: str, second: str) -> bool:
    """Whether two lower-case texts are equal when O is taken as 0 and I as 1, as many plates draw them."""
    return first.translate(_LOOKALIKES) == second.translate(_LOOKALIKES)
