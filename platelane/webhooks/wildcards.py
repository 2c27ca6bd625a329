"""Normalises plates and patterns that people type to the reader's characters."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from functools import lru_cache
from typing import Final

WILDCARDS: Final = frozenset("*?")

_ALIKE: Final = str.maketrans(
    {
        **dict(
            zip("авекмнорстухзіјѕԁһԛԝүұѵғөқңҳӏ", "abekmhopctyx3ijsdhqwyyvfokhxi", strict=True)
        ),  # Cyrillic, as its capitals look
        **dict(zip("αβεζηικμνορτυχϳ", "abezhikmnoptyxj", strict=True)),
        **dict(zip("օտսլ", "osul", strict=True)),
        **dict(zip("ⲁⲃⲉⲍⲏⲓⲕⲙⲛⲟⲣⲥⲧⲩⲭ", "abezhikmnopctyx", strict=True)),
        **{"ß": "ss", "æ": "ae", "œ": "oe", "ð": "d", "ı": "i", "þ": "p"},  # noqa: RUF001
    }
)
_LUNATE: Final = str.maketrans("Ϲϲ", "CC")  # noqa: RUF001
"""Greek letters whose decomposition looks different."""
_LATIN: Final = re.compile(r"LATIN (?:SMALL LETTER|LETTER SMALL CAPITAL) ([A-Z])(?: WITH .+)?")
_NOT_IN_PATTERNS: Final = re.compile(r"[^a-z0-9*?]")
_SYNTAX: Final = frozenset("[](){}|^$+\\%")
"""Of regular expressions and of SQL: they would be dropped as separators."""
_NOTHING: Final = "{!r} has no letter or digit that plates are read with"


def folded(plate: str) -> str:
    """A plate in the reader's form: lower-case Latin letters and digits, without accents, separators and anything else.

    Letters of other scripts become the Latin letters or digits that their capitals look like, and digits of all scripts
    become ASCII digits; other characters are dropped.
    """
    return folded_pattern(plate).replace("*", "").replace("?", "")


def is_pattern(text: str) -> bool:
    """Whether it has a wildcard, of ASCII or full width."""
    return not WILDCARDS.isdisjoint(folded_pattern(text))


def fits(pattern: str, text: str) -> bool:
    """Whether a plate matches a pattern: `?` is one character, `*` any number; case and separators are ignored."""
    return _compiled(pattern).fullmatch(folded(text)) is not None


def folded_pattern(text: str) -> str:
    """As `folded`, but keeping the wildcards `*` and `?`."""
    if not text.isascii():
        alike = unicodedata.normalize("NFKD", text.translate(_LUNATE)).casefold().translate(_ALIKE)
        text = "".join(map(_ascii, alike))
    return _NOT_IN_PATTERNS.sub("", text.lower())


def checked(text: str) -> str:
    """A plate, folded. Raises ValueError for a pattern, and for text without a readable character."""
    if is_pattern(text):
        raise ValueError(f"{text!r} is a pattern, and a watch-list holds plates: patterns go into filter.plates")
    plate = folded(text)
    if not plate:
        raise ValueError(_NOTHING.format(text))
    return plate


def checked_pattern(text: str) -> str:
    """The unchanged pattern. Raises ValueError if it has neither a readable character nor a wildcard."""
    if not folded_pattern(text) or (not folded(text) and any(map(str.isalnum, text))):
        raise ValueError(_NOTHING.format(text))
    return text


def refuse_other_syntax(text: str) -> None:
    """Raises ValueError for patterns of another kind, such as a regular expression."""
    found = next((character for character in text if character in _SYNTAX), None)
    if found:
        raise ValueError(f"{text!r} has the character {found}; the wildcards are ? and *")


def _ascii(character: str) -> str:
    """A lower-case letter without its stroke or hook, or a digit of any script in ASCII; other characters unchanged."""
    if character.isascii():
        return character
    letter = _LATIN.fullmatch(unicodedata.name(character, ""))
    return letter[1] if letter else str(unicodedata.digit(character, character))


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(folded_pattern(pattern)))
