"""Serial patterns: which characters a plate has, and how they are set in lines.

In a pattern, `@` is a letter, `#` a digit, `~` either, `{AB,CD}` one of the alternatives, and any letter or digit is
itself. `[@@]` are small stacked characters, `<##>` small ones, `(@@)` small letters below the same ones in Arabic. Not
part of the text: a blank is a gap, `-` and `.` are drawn, `*` is an emblem, `$` and `%` are a letter and a digit of
another script. `|` begins the lower line.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

Script = Literal["arabic", "bengali", "thai"]
"""A script that is drawn, but not part of the text."""
ALPHABETS: Final[dict[Script, tuple[str, str]]] = {
    "arabic": ("ابحدرسصطعقكلمنوى", "٠١٢٣٤٥٦٧٨٩"),
    "bengali": ("কখগঘচছজঝটঠডঢতথদধনপফবভমযরলশষসহ", "০১২৩৪৫৬৭৮৯"),
    "thai": ("กขฃคฆงจฉชฌญฎฐฒณตถทธนบปผพภมยรลวศษสหฬอฮ", "๐๑๒๓๔๕๖๗๘๙"),
}
"""Letters and digits of each script."""

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
    """A random serial of a pattern, with letters from `letters`, and characters of another script from `script`."""
    drawn = "".join(_drawn(token, random, letters, script) for token in _TOKEN.findall(pattern))
    return Serial(tuple(drawn.split("|")))


def cells(line: str) -> Iterator[tuple[Kind, str]]:
    """The cells of a line from left to right: kind and characters."""
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
