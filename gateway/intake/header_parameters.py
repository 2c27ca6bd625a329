"""Parameters of header values, such as `form-data; name="upload"; filename="car.jpg"`, read in linear time."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from typing import Final
from urllib.parse import unquote_to_bytes

_PARAMETER: Final = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;]*+))', re.DOTALL)
_EXTENDED: Final = re.compile(rb"([\w-]*)'[^']*'(.*)", re.DOTALL)
_ENCODED_WORD: Final = re.compile(rb"=\?([\w-]+)(?:\*[\w-]*)?\?([BbQq])\?([^?\s]*)\?=")
_CHARSETS: Final = re.compile(
    r"utf-?8|us-ascii|iso-?8859-\d+|latin-?1|windows-125\d|cp125\d|koi8-[ru]|shift_jis|euc-jp|euc-kr|gb(k|2312|18030)|big5"
)
"""Names of charsets; Python has other codecs too, which are none."""


def kind(value: bytes) -> bytes:
    """The value without its parameters, in lower case."""
    return value.partition(b";")[0].strip().lower()


def parameters(value: bytes) -> dict[bytes, bytes]:
    """The parameters by their names in lower case; texts in a known charset are converted to UTF-8.

    Parameters named `...*` (RFC 8187) replace the plain ones. An encoded word (RFC 2047), as .NET and mail libraries
    send it, is decoded. If a name occurs twice, the first value counts.
    """
    found: dict[bytes, bytes] = {}
    extended: dict[bytes, bytes] = {}
    for match in _PARAMETER.finditer(value):
        name, text = match[1].lower(), match[3].strip() if match[2] is None else _unquoted(match[2])
        if not name.endswith(b"*"):
            found.setdefault(name, _word(text))
        elif parts := _EXTENDED.fullmatch(text):
            extended.setdefault(name[:-1], _in_utf8(unquote_to_bytes(parts[2]), parts[1]))
        else:  # its charset is missing
            extended.setdefault(name[:-1], unquote_to_bytes(text))
    return found | extended


def _word(text: bytes) -> bytes:
    """The value, decoded if it is an encoded word."""
    word = _ENCODED_WORD.fullmatch(text)
    if word is None:
        return text
    if word[2] in b"Qq":
        return _in_utf8(quopri.decodestring(word[3], header=True), word[1])
    try:
        return _in_utf8(base64.b64decode(word[3], validate=True), word[1])
    except binascii.Error:
        return text


def _in_utf8(data: bytes, charset: bytes) -> bytes:
    """The text converted to UTF-8, or unchanged if the charset is unknown or does not fit."""
    name = charset.decode("ascii", "replace").lower()
    try:
        return data.decode(name).encode() if _CHARSETS.fullmatch(name) else data
    except (UnicodeError, LookupError):
        return data


def _unquoted(text: bytes) -> bytes:
    # a backslash before anything else is part of a Windows path
    return text.replace(b"\\\\", b"\\").replace(b'\\"', b'"')
