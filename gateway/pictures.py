"""Pictures as clients send them: told by their first bytes, or base64 text in all its odd forms."""

from __future__ import annotations

import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from platelane.errors import BadImage, BadRequest

_SIGNATURES: Final = (
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "webp"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+"), "tif"),
    (re.compile(rb"BM.{12}[\x0c-\x7c]\x00\x00\x00", re.DOTALL), "bmp"),
    (re.compile(rb"P[1-6][\s#]"), "pnm"),
)
_DATA_ADDRESS: Final = re.compile(rb"data:[^,]{0,200},", re.IGNORECASE)
_TO_STANDARD: Final = bytes.maketrans(b"-_ ", b"+/+")
_LINE_BREAKS: Final = b"\r\n\t\v\f"
_FEW_ESCAPES: Final = 10_000
_LENGTH_AN_ESCAPE: Final = 12
"""Base64 in lines of 64 has an escape in 24 bytes, when slashes are none."""


def extension(data: bytes) -> str | None:
    """The usual file name extension of an encoded picture; None where the bytes are no picture."""
    return next((name for signature, name in _SIGNATURES if signature.match(data)), None)


def decode_upload(data: bytes) -> bytes:
    """The encoded picture in an upload: itself, or what its base64 text holds.

    Base64 may be a data: address, wrapped into lines, without padding, url-safe, percent-encoded, and have spaces
    where a form decoder read its plus signs so.

    Raises:
        BadImage: neither.
        BadRequest: more percent escapes than base64 has.
    """
    if extension(data):
        return data
    if not data.strip():
        raise BadImage("The upload is empty.")
    try:
        picture = _from_base64(data)
    except binascii.Error as error:
        raise BadImage("The upload is neither an image nor base64 text of one.") from error
    if not extension(picture):
        raise BadImage("The base64 text in the upload does not hold an image that can be read.")
    return picture


def with_few_escapes(text: bytes) -> bytes:
    """The same text without percent escapes of slashes, which the base64 of a white picture consists of.

    Raises:
        BadRequest: it has so many others that undoing them would take seconds.
    """
    text = text.replace(b"%2F", b"/").replace(b"%2f", b"/")
    if text.count(b"%") > len(text) // _LENGTH_AN_ESCAPE + _FEW_ESCAPES:
        raise BadRequest("The request has more percent escapes than base64 text has.")
    return text


def _from_base64(data: bytes) -> bytes:
    text = data.lstrip()
    if b"%" in text:
        text = unquote_to_bytes(with_few_escapes(text))
    if address := _DATA_ADDRESS.match(text):
        text = text[address.end() :]
    text, padding, after = text.lstrip().translate(_TO_STANDARD, _LINE_BREAKS).partition(b"=")
    if after.strip(b"=+"):
        raise binascii.Error("text after the padding")
    if not padding and len(text) % 4 == 1:
        # no base64 has this length: its last character was a space behind it
        text = text.removesuffix(b"+")
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
