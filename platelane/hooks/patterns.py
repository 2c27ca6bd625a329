"""Patterns of plates, as hooks and searches use them."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache
from typing import Final

_NOT_IN_PLATES: Final = re.compile(r"[\W_]+")
_NOT_IN_PATTERNS: Final = re.compile(r"[^\w*?]+|_")


def normalized(plate: str) -> str:
    """A plate as it is read: lower-case letters and digits only."""
    return _NOT_IN_PLATES.sub("", plate.lower())


def fits(pattern: str, text: str) -> bool:
    """Whether a plate matches a pattern: `?` is one character, `*` any number; case and separators do not count."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    kept = _NOT_IN_PATTERNS.sub("", pattern.lower())
    return re.compile(fnmatch.translate(kept))
