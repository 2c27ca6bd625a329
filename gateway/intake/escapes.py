"""Percent escapes, decoded while text arrives."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from platelane.errors import BadRequest

_OF_BASE64: Final = tuple(
    (escape, character)
    for character in (b"/", b"+", b"=", b"\r", b"\n", b" ")
    for escape in {f"%{character[0]:02X}".encode(), f"%{character[0]:02x}".encode()}
)
_MOST_OTHERS: Final = 10_000
"""Escapes of other characters, each of which costs an object; base64 only has those of a data: URL."""


class Unescaper:
    """Decodes the escapes of one text; those that occur in base64 in C, without an object for each of them."""

    def __init__(self) -> None:
        self._tail = b""
        """An incomplete escape."""
        self._others = 0

    def feed(self, piece: bytes) -> bytes:
        """The next piece with its escapes decoded; an incomplete escape at its end is kept for the next call.

        Raises:
            BadRequest: apart from those of base64, the text has too many escapes to decode cheaply.
        """
        if self._tail:
            piece, self._tail = self._tail + piece, b""
        if b"%" not in piece:
            return piece
        cut = piece.find(b"%", max(0, len(piece) - 2))
        if cut >= 0:
            piece, self._tail = piece[:cut], piece[cut:]
        return self._unescaped(piece)

    def finish(self) -> bytes:
        """The rest of the text: an escape that is cut off is not decoded."""
        rest, self._tail = self._tail, b""
        return rest

    def _unescaped(self, piece: bytes) -> bytes:
        for escape, character in _OF_BASE64:
            piece = piece.replace(escape, character)
        others = piece.count(b"%") - piece.count(b"%25")
        if not others:
            return piece.replace(b"%25", b"%")  # of text that was escaped twice
        self._others += others
        if self._others > _MOST_OTHERS:
            raise BadRequest("The request has more percent escapes than base64 has.")
        return unquote_to_bytes(piece)


def unescape(text: bytes) -> bytes:
    """A whole text with its escapes decoded. Raises BadRequest, as `Unescaper.feed`."""
    unescaper = Unescaper()
    return unescaper.feed(text) + unescaper.finish()
