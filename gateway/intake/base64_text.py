"""Base64 in all the odd forms that clients send, decoded while it arrives."""

from __future__ import annotations

import binascii
from typing import Final

from gateway.intake.escapes import Unescaper

_TO_STANDARD: Final = bytes.maketrans(b"-_ ", b"+/+")
_LINE_BREAKS: Final = b"\r\n\t\v\f"
_DATA: Final = b"data:"
_LONGEST_ADDRESS: Final = 200
"""Characters of a data: URL before its comma."""


class Base64Decoder:
    """Decodes one text piece by piece.

    The text may be a data: URL, wrapped into lines, without padding, url-safe or percent-encoded, and may have spaces
    where a form decoder has replaced its plus signs.
    """

    def __init__(self) -> None:
        self._unescaper = Unescaper()
        self._head = b""
        """The beginning, until it is clear whether it is a data: URL."""
        self._address = True
        """Whether a data: URL may still come."""
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
        return self._decoded(self._after_address(self._unescaper.feed(piece)))

    def finish(self) -> bytes:
        """The last bytes. Raises binascii.Error."""
        last = self._unescaper.finish()
        text, self._head, self._address = self._head + last, b"", False
        decoded = self._decoded(text.lstrip() if not self.begun else text)
        if not self._padded and len(self._rest) == 1:
            # no base64 has this length: the last character was a trailing space
            self._rest = self._rest.removesuffix(b"+")
        return decoded + binascii.a2b_base64(self._rest + b"=" * (-len(self._rest) % 4), strict_mode=True)

    def _after_address(self, text: bytes) -> bytes:
        """The text without leading white space and data: URL prefix; empty until these have arrived."""
        if self.begun:
            return text
        text = self._head + text
        if self._head == b"" or not self._address:
            text = text.lstrip()
        self._head = text
        if not text:
            return b""
        if self._address and text[: len(_DATA)].lower() == _DATA[: len(text)]:
            comma = text.find(b",", 0, len(_DATA) + _LONGEST_ADDRESS + 1)
            if comma < 0:
                if len(text) > len(_DATA) + _LONGEST_ADDRESS:
                    raise binascii.Error("a data: URL without a comma")
                return b""
            self._address, self._head = False, b""
            return self._after_address(text[comma + 1 :])
        self._head, self.begun = b"", True
        return text

    def _decoded(self, text: bytes) -> bytes:
        self.begun = self.begun or bool(text)
        text = text.translate(_TO_STANDARD, _LINE_BREAKS)
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
