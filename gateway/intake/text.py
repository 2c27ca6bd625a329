"""Text as clients send it: bytes of undeclared encoding, and paths instead of file names."""

from __future__ import annotations

import re
from typing import Final

_FILENAME_LENGTH: Final = 200


def decoded(data: bytes) -> str:
    """Decoded as UTF-8, or as Latin-1 if it is not valid UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def bare_name(filename: str) -> str:
    """The last component of a path of any system, without control characters; the end of it if it is too long."""
    name = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in name if character.isprintable())[-_FILENAME_LENGTH:]
