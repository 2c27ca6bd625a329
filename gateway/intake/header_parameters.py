"""Parameters of header values, such as `form-data; name="upload"; filename="car.jpg"`, read in linear time."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

_PARAMETER: Final = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))', re.DOTALL)
_EXTENDED: Final = re.compile(rb"([\w-]*)'[^']*'(.*)", re.DOTALL)


def kind(value: bytes) -> bytes:
    """The value without its parameters, in lower case."""
    return value.partition(b";")[0].strip().lower()


def parameters(value: bytes) -> dict[bytes, bytes]:
    """The parameters by their names in lower case; those named `...*` (RFC 8187) in UTF-8 replace the plain ones.

    If a name occurs twice, the first value counts.
    """
    found: dict[bytes, bytes] = {}
    extended: dict[bytes, bytes] = {}
    for match in _PARAMETER.finditer(value):
        name, text = match[1].lower(), match[3].strip() if match[2] is None else _unquoted(match[2])
        if not name.endswith(b"*"):
            found.setdefault(name, text)
        elif (parts := _EXTENDED.fullmatch(text)) and parts[1].lower() == b"utf-8":
            extended.setdefault(name[:-1], unquote_to_bytes(parts[2]))
    return found | extended


def _unquoted(text: bytes) -> bytes:
    # a backslash before anything else is part of a Windows path
    return text.replace(b"\\\\", b"\\").replace(b'\\"', b'"')
