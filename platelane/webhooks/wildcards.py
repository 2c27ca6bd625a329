"""Plates as people type them, folded to what the reader answers, and patterns of them."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from functools import lru_cache
from typing import Final

WILDCARDS: Final = frozenset("*?")

_ALIKE: Final = str.maketrans(
    {
        **dict(zip("авекмнорстухіїјѕ", "abekmhopctyxiijs", strict=True)),  # Cyrillic, as its capitals look
        **dict(zip("αβεζηικμνορτυχ", "abezhikmnoptyx", strict=True)),  # Greek
        **{"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "þ": "p"},  # noqa: RUF001
    }
)
_NOT_IN_PATTERNS: Final = re.compile(r"[^a-z0-9*?]")


def folded(plate: str) -> str:
    """A plate as it is read: lower-case Latin letters and digits, without marks, separators and what else people type.

    Cyrillic and Greek letters become the Latin ones that look like their capitals, digits of all scripts ASCII digits;
    what has no such form is left out.
    """
    return folded_pattern(plate).replace("*", "").replace("?", "")


def fits(pattern: str, text: str) -> bool:
    """Whether a plate matches a pattern: `?` is one character, `*` any number; case and separators do not count."""
    return _compiled(pattern).fullmatch(folded(text)) is not None


def folded_pattern(text: str) -> str:
    """The same, with the wildcards `*` and `?` kept."""
    decomposed = unicodedata.normalize("NFKD", text).casefold().translate(_ALIKE)
    digits = (str(unicodedata.digit(each, each)) for each in decomposed)
    return _NOT_IN_PATTERNS.sub("", "".join(digits))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(folded_pattern(pattern)))
