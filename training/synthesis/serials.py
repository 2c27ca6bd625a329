"""Serial patterns: how the characters of a plate are composed, and how they are set in lines.

A pattern is a string: `@` a letter, `#` a digit, `~` either, `{AB,CD}` one of the alternatives, any letter or digit
itself. What is set but not read: a blank is a gap, `-` and `.` are drawn, `*` is the place of an emblem, `|` begins the
lower line.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import Final

import numpy as np

_TOKEN: Final = re.compile(r"\{[^}]*\}|.")
_DRAWN: Final = frozenset(" -.*|")


@dataclass(frozen=True, slots=True)
class Serial:
    """One plate's characters as set: `lines` with gaps and marks, `text` as read (A-Z, 0-9, upper line first)."""

    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(character for line in self.lines for character in line if character not in _DRAWN)


def compose(pattern: str, random: np.random.Generator, letters: str = string.ascii_uppercase) -> Serial:
    """A random serial of a pattern, its letters out of `letters`."""
    return Serial(tuple("".join(_drawn(token, random, letters) for token in _TOKEN.findall(pattern)).split("|")))


def _drawn(token: str, random: np.random.Generator, letters: str) -> str:
    if token == "@":
        return letters[random.integers(len(letters))]
    if token == "#":
        return str(random.integers(10))
    if token == "~":
        characters = letters + string.digits
        return characters[random.integers(len(characters))]
    if token.startswith("{"):
        choices = token[1:-1].split(",")
        return choices[random.integers(len(choices))]
    return token
