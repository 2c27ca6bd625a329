"""Serial patterns: how the characters of a plate are composed, and how they are set in lines.

A pattern is a string: `@` a letter, `#` a digit, `~` either, `{AB,CD}` one of the alternatives, any letter or digit
itself. `[@@]` are stacked small ones, `<##>` small ones, `(@@)` small letters under the same ones in Arabic. What is
set but not read: a blank is a gap, `-` and `.` are drawn, `*` is the place of an emblem, `$` and `%` are a letter and
a digit of another script, `|` begins the lower line.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

Script = Literal["arabic", "bengali", "thai"]
"""A script that is drawn and not read."""
ALPHABETS: Final[dict[Script, tuple[str, str]]] = {
    "arabic": ("ابحدرسصطعقكلمنوى", "٠١٢٣٤٥٦٧٨٩"),
    "bengali": ("কখগঘচছজঝটঠডঢতথদধনপফবভমযরলশষসহ", "০১২৩৪৫৬৭৮৯"),
    "thai": ("กขฃคฆงจฉชฌญฎฐฒณตถทธนบปผพภมยรลวศษสหฬอฮ", "๐๑๒๓๔๕๖๗๘๙"),
}
"""Letters and digits of each."""

Kind = Literal["plain", "stacked", "small", "glossed", "gap", "emblem"]
_TOKEN: Final = re.compile(r"\{[^}]*\}|.")
_READ: Final = frozenset(string.ascii_uppercase + string.digits)
_CELL: Final = re.compile(r"\[(.+?)\]|<(.+?)>|\((.+?)\)|(.)")


@dataclass(frozen=True, slots=True)
class Serial:
    """One plate's characters as set: `lines` with gaps and marks, `text` as read (A-Z, 0-9, upper line first)."""

    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "".join(character for line in self.lines for character in line if character in _READ)


def compose(
    pattern: str, random: np.random.Generator, letters: str = string.ascii_uppercase, script: Script = "arabic"
) -> Serial:
    """A random serial of a pattern, its letters out of `letters`, what is not read out of `script`."""
    drawn = "".join(_drawn(token, random, letters, script) for token in _TOKEN.findall(pattern))
    return Serial(tuple(drawn.split("|")))


def cells(line: str) -> Iterator[tuple[Kind, str]]:
    """What a line is set of, from left to right: kind and characters."""
    for stacked, small, glossed, plain in _CELL.findall(line):
        if stacked:
            yield "stacked", stacked
        elif small:
            yield "small", small
        elif glossed:
            yield from (("glossed", letter) for letter in glossed)
        else:
            yield "gap" if plain == " " else "emblem" if plain == "*" else "plain", plain


def _drawn(token: str, random: np.random.Generator, letters: str, script: Script) -> str:
    choices = {
        "@": letters,
        "#": string.digits,
        "~": letters + string.digits,
        "$": ALPHABETS[script][0],
        "%": ALPHABETS[script][1],
    }.get(token)
    if choices is not None:
        return choices[random.integers(len(choices))]
    if token.startswith("{"):
        alternatives = token[1:-1].split(",")
        return alternatives[random.integers(len(alternatives))]
    return token
