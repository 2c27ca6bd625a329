"""Urlencoded forms, read while they arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.intake.escapes import Unescaper
from gateway.intake.upload import Upload
from platelane.errors import BadRequest

_MOST: Final = 256 << 10
"""Bytes of all fields except the upload, as sent."""
_LONGEST_NAME: Final = 3 * len(b"upload[0]")
"""Bytes of the upload's name, if all of them are escaped."""
_MOST_ESCAPES: Final = 10_000
"""Percent escapes in these fields; each costs an object."""


class UrlencodedReader:
    """Reads a form that is fed piece by piece; the text of the first non-empty `upload` is fed to `upload`."""

    def __init__(self, upload: Upload, limit: int, field: Callable[[bytes, bytes], None]) -> None:
        """`field` is called with the name and value of each other field; there may be up to `limit` fields."""
        self._upload = upload
        self._limit = limit
        self._field = field
        self._pair = bytearray()
        """The current pair, unless it is the upload."""
        self._unescaper: Unescaper | None = None
        """Set while the upload arrives."""
        self._pairs = self._text = self._escapes = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises BadRequest, and as `Upload.feed`."""
        start = 0
        while (end := piece.find(b"&", start)) >= 0:
            self._add(piece[start:end])
            self._end()
            start = end + 1
        self._add(piece[start:])

    def finish(self) -> None:
        """The form has ended. Raises as `feed`."""
        self._end()

    def _add(self, text: bytes) -> None:
        if self._unescaper:
            self._upload.feed(self._unescaper.feed(text))
            return
        had_name = b"=" in self._pair
        self._pair += text
        if not had_name and b"=" in text:
            name, _, value = bytes(self._pair).partition(b"=")
            if self._upload.empty and _is_upload(name):
                self._pair.clear()
                self._unescaper = Unescaper()
                # a "+" is not a space here: it belongs to the base64, escaped or not
                self._upload.feed(self._unescaper.feed(value))
                return
        self._count(text)

    def _count(self, text: bytes) -> None:
        """Raises BadRequest if there is too much text; a body that is not a form at all is treated as the upload."""
        self._text += len(text)
        self._escapes += text.count(b"%")
        if self._text > _MOST and not self._pairs and b"=" not in self._pair:
            self._unescaper = Unescaper()
            self._upload.feed(self._unescaper.feed(bytes(self._pair)))
            self._pair.clear()
            return
        if self._text > _MOST:
            raise BadRequest(f"The fields other than upload have more than {_MOST} bytes.")
        if self._escapes > _MOST_ESCAPES:
            raise BadRequest("The request has more percent escapes than base64 has.")

    def _end(self) -> None:
        """A pair is complete."""
        self._pairs += 1
        if self._pairs > self._limit:
            raise BadRequest(f"The form has more than {self._limit} fields.")
        if self._unescaper:
            self._upload.feed(self._unescaper.finish())
            self._unescaper = None
            return
        name, _, value = bytes(self._pair).partition(b"=")
        self._pair.clear()
        if name and not _is_upload(name):
            self._field(_unquoted(name), _unquoted(value))


def _is_upload(name: bytes) -> bool:
    """Whether a name, as sent, is that of the upload; `upload[]` and `upload[0]` are how some languages send a list."""
    return len(name) <= _LONGEST_NAME and _unquoted(name).strip().partition(b"[")[0].lower() == b"upload"


def _unquoted(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
