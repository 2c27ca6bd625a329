"""Text as clients send it: bytes in an encoding that nobody names, and paths where a file's name is meant."""

from __future__ import annotations

import re
from typing import Final

_FILENAME_LENGTH: Final = 200


def decoded(data: bytes) -> str:
    """UTF-8, or Latin-1 where it is not."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def bare_name(filename: str) -> str:
    """The last component of a path of any system, without control characters; its end where it is too long."""
    name = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in name if character.isprintable())[-_FILENAME_LENGTH:]
