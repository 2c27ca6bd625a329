"""A JSON object whose `upload` is decoded separately while it arrives, so that the rest is small."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from gateway.intake.upload import Upload
from platelane.errors import BadRequest

_MOST: Final = 128 << 10
"""Bytes of the object without its upload."""
_MOST_BRACKETS: Final = 5_000
"""In this object; each costs an object that the garbage collector tracks."""
_KEY: Final = re.compile(rb'(?<!\\)"(?i:upload)"\s{0,20}:\s{0,20}(["\[{])')
_LONGEST_KEY: Final = 51
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NO_TEXT: Final = "In JSON, upload must be a string of base64."
_ESCAPES: Final = tuple(
    (escape, character)
    for character, escapes in (
        (b"/", (b"\\/", b"\\u002f", b"\\u002F")),
        (b"+", (b"\\u002b", b"\\u002B")),
        (b"=", (b"\\u003d", b"\\u003D")),
        (b"\n", (b"\\n",)),
        (b"\r", (b"\\r",)),
        (b"\t", (b"\\t",)),
    )
    for escape in escapes
)
"""Escapes that libraries write into base64."""
_LONGEST_ESCAPE: Final = 6


class JsonReader:
    """Reads one object that is fed piece by piece; the text of its `upload` is fed to `upload`."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._rest = bytearray()
        """The object with an empty string for its upload."""
        self._searched = self._counted = self._depth = 0
        self._tail = b""
        """An incomplete escape in the upload."""
        self._in_upload = self._found = False
        self._behind = 0
        """Where in the object its upload ended."""

    def feed(self, piece: bytes) -> None:
        """Take the next piece. Raises BadRequest, and as `Upload.feed`."""
        if self._in_upload:
            self._feed_upload(piece)
            return
        self._rest += piece
        if self._found:
            self._check()
            return
        while match := _KEY.search(self._rest, self._searched):
            self._searched = match.end()
            if self._depth_at(match.start()) == 1:
                if match[1] != b'"':
                    raise BadRequest(_NO_TEXT)
                piece = bytes(self._rest[match.end() :])
                del self._rest[match.end() :]
                self._rest += b'"'
                self._behind = len(self._rest)
                self._in_upload = self._found = True
                self._check()
                self._feed_upload(piece)
                return
        self._searched = max(self._searched, len(self._rest) - _LONGEST_KEY)
        self._check()

    def finish(self) -> dict[str, Any]:
        """All fields but `upload`. Raises BadRequest."""
        if self._in_upload:
            raise BadRequest("The body is not valid JSON: it ends within upload.")
        try:
            fields = orjson.loads(self._rest)
        except orjson.JSONDecodeError as error:
            # positions are those without the upload
            behind = self._found and error.pos > len(self._rest[: self._behind].decode("utf-8", "replace"))
            problem = f"{error.msg} behind upload" if behind else str(error)
            raise BadRequest(f"The body is not valid JSON: {problem}.") from error
        assert isinstance(fields, dict), "it begins with a brace"
        for name in [name for name in fields if name.strip().lower() == "upload"]:
            upload = fields.pop(name)
            if isinstance(upload, str) and self._upload.empty:  # its key has escapes or blanks, or occurs twice
                self._upload.feed(upload.encode("utf-8", "surrogatepass"))
            elif upload is not None and not isinstance(upload, str):
                raise BadRequest(_NO_TEXT)
        return fields

    def _feed_upload(self, piece: bytes) -> None:
        text = self._tail + piece
        end = text.find(b'"')
        self._tail = b""
        if end < 0:
            cut = text.rfind(b"\\", max(0, len(text) - _LONGEST_ESCAPE + 1))
            if cut >= 0 and (len(text) - cut < 2 or text[cut + 1 : cut + 2] == b"u"):
                text, self._tail = text[:cut], text[cut:]
            self._upload.feed(_unescaped(text))
            return
        if text[end - 1 : end] == b"\\":
            raise BadRequest(_NO_TEXT)
        self._upload.feed(_unescaped(text[:end]))
        self._in_upload = False
        self.feed(text[end + 1 :])

    def _depth_at(self, position: int) -> int:
        """How many objects and arrays are open at `position`, the beginning of a string."""
        text = _STRING.sub(b"", bytes(memoryview(self._rest)[self._counted : position]))
        self._depth += sum(text.count(each) for each in (b"{", b"[")) - sum(text.count(each) for each in (b"}", b"]"))
        self._counted = position
        return self._depth

    def _check(self) -> None:
        if len(self._rest) > _MOST:
            raise BadRequest(f"The fields other than upload have more than {_MOST} bytes.")
        if self._rest.count(b"[") + self._rest.count(b"{") > _MOST_BRACKETS:
            raise BadRequest(f"The fields other than upload have more than {_MOST_BRACKETS} brackets.")


def _unescaped(text: bytes) -> bytes:
    if b"\\" in text:
        for escape, character in _ESCAPES:
            text = text.replace(escape, character)
    return text
