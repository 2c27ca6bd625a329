"""Base64 in all the odd forms that clients send, decoded while it arrives."""

from __future__ import annotations

import binascii
import re
from typing import Final

from gateway.intake.escapes import Unescaper

_TO_STANDARD: Final = bytes.maketrans(b"-_ ", b"+/+")
_NOT_TEXT: Final = b"\r\n\t\v\f\"'\0\xef\xbb\xbf"
"""Line breaks, quotes, NUL and the bytes of a byte order mark: clients leave them around or within the text."""
_BLANKS: Final = b" +" + _NOT_TEXT
"""A blank in a form is a plus sign; no picture's base64 begins with one."""
_LONGEST_PREFIX: Final = 200
_PREFIX: Final = re.compile(
    rb"(?:b['\"])?(?:.{0,%d}?base64,|data:[^,]{0,%d},)?" % (_LONGEST_PREFIX, _LONGEST_PREFIX), re.IGNORECASE | re.DOTALL
)
"""A data: URL up to its comma, what clients make of one (`base64,`), and the beginning of a Python literal."""
_PREFIX_IS_THERE: Final = 2 + _LONGEST_PREFIX + len(b"base64,")
"""Characters in which a prefix has ended."""


class Base64Decoder:
    """Decodes one text piece by piece.

    The text may be a data: URL, wrapped into lines, in quotes, without padding, url-safe or percent-encoded, and may
    have spaces where a form decoder has replaced its plus signs.
    """

    def __init__(self) -> None:
        self._unescaper = Unescaper()
        self._head = b""
        """The beginning, until a prefix would have ended."""
        self._rest = b""
        """Up to three characters of an incomplete group of four."""
        self._padded = False
        self.begun = False
        """Whether anything but white space has come."""

    def feed(self, piece: bytes) -> bytes:
        """The bytes that the next piece encodes.

        Raises:
            binascii.Error: the text is not base64.
            BadRequest: the text has more percent escapes than base64 can have.
        """
        return self._decoded(self._after_prefix(self._unescaper.feed(piece)))

    def finish(self) -> bytes:
        """The last bytes. Raises binascii.Error."""
        decoded = self._decoded(self._after_prefix(self._unescaper.finish(), last=True))
        if not self._padded and len(self._rest) == 1:
            # no base64 has this length: the last character was a trailing space
            self._rest = self._rest.removesuffix(b"+")
        return decoded + binascii.a2b_base64(self._rest + b"=" * (-len(self._rest) % 4), strict_mode=True)

    def _after_prefix(self, text: bytes, *, last: bool = False) -> bytes:
        """The text without blanks and a prefix at its beginning; empty until these have arrived."""
        if self.begun:
            return text
        text = (self._head + text).lstrip(_BLANKS)
        if len(text) < _PREFIX_IS_THERE and not last:
            self._head = text
            return b""
        self._head = b""
        prefix = _PREFIX.match(text)
        return text[prefix.end() if prefix else 0 :].lstrip(_BLANKS)

    def _decoded(self, text: bytes) -> bytes:
        self.begun = self.begun or bool(text)
        text = text.translate(_TO_STANDARD, _NOT_TEXT)
        if self._padded:
            return _only_padding(text)
        padding = text.find(b"=")
        if padding >= 0:
            self._padded = True
            _only_padding(text[padding:])
            text = text[:padding]
        text = self._rest + text
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return binascii.a2b_base64(text[:whole], strict_mode=True) if whole else b""


def _only_padding(text: bytes) -> bytes:
    """Returns nothing. Raises binascii.Error if there is more than padding and spaces."""
    if text.strip(b"=+"):
        raise binascii.Error("text after the padding")
    return b""


def decode(text: bytes) -> bytes:
    """All of a text at once. Raises as `Base64Decoder.feed`."""
    decoder = Base64Decoder()
    return decoder.feed(text) + decoder.finish()
