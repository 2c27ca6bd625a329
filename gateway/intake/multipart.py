"""Multipart bodies, split into their parts while they arrive."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from gateway.intake import header_parameters
from gateway.intake.text import decoded
from platelane.errors import BadRequest

LONGEST_BOUNDARY: Final = 200
_MOST_OUTSIDE: Final = 64 << 10
"""Bytes before the first part and after the last."""
_MOST_HEADERS: Final = 8 << 10
"""Bytes of one part's headers."""
_MOST_BLANKS: Final = 256
"""After a boundary, on its line."""
_MOST_FALSE: Final = 1_000
"""Times that the boundary may occur at the beginning of a line within a part's data."""
_FIRST_LINE: Final = re.compile(rb"--([^\r\n]{1,%d})\r?\n" % LONGEST_BOUNDARY)
_BOUNDARY_END: Final = re.compile(rb"--|[ \t]{0,%d}(\r?\n)" % _MOST_BLANKS)
_MAYBE_END: Final = re.compile(rb"-?|[ \t]{0,%d}\r?" % _MOST_BLANKS)
_LINE_END: Final = re.compile(rb"\r?\n")
_HEADER_END: Final = re.compile(rb"\r?\n(?![ \t])")
"""A header goes on in the next line if that begins with a blank."""
_HEADERS_END: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class PartHead:
    """The names of a part's field and of its file, from its headers, and how it is encoded; empty if there is none."""

    name: str
    filename: str
    encoding: str = ""

    def text(self, data: bytes) -> str:
        """The text of the part's data. Programs for mail encode it (RFC 2045), which RFC 7578 only discourages."""
        try:
            match self.encoding:
                case "base64":
                    data = binascii.a2b_base64(b"".join(data.split()), strict_mode=True)
                case "quoted-printable":
                    data = binascii.a2b_qp(data)
        except binascii.Error:
            pass  # it is not encoded as it says
        return decoded(data)


class Sink(Protocol):
    """Takes the bytes of one part."""

    def feed(self, piece: bytes) -> None: ...


def boundary(beginning: bytes, content_type: str) -> bytes | None:
    """The boundary, as declared or else from the first line of the body; None if the body is not multipart."""
    value = content_type.encode("latin-1", "replace")
    if header_parameters.kind(value).startswith(b"multipart/"):
        declared = header_parameters.parameters(value).get(b"boundary")
        if declared:
            return declared
    first_line = _FIRST_LINE.match(beginning)
    return first_line[1] if first_line else None


class _State(Enum):
    BEFORE = auto()
    BOUNDARY = auto()
    HEADERS = auto()
    DATA = auto()
    AFTER = auto()


class Splitter:
    """Splits a body that is fed piece by piece, in time linear in its length, and hands each part to a sink.

    Lines end with CR LF, or with LF alone if the first boundary's does.
    """

    def __init__(self, boundary: bytes, limit: int, part: Callable[[PartHead], Sink]) -> None:
        """`part` returns the sink for a part's bytes; there may be up to `limit` parts.

        Raises:
            BadRequest: the boundary is too long.
        """
        if len(boundary) > LONGEST_BOUNDARY:
            raise BadRequest(f"The multipart boundary has more than {LONGEST_BOUNDARY} characters.")
        self._boundary = b"--" + boundary
        self._delimiter = b"\n" + self._boundary
        """Until the first boundary says how lines end."""
        self._limit = limit
        self._part = part
        self._buffer = bytearray(b"\n")  # so that the first boundary is at the beginning of a line too
        self._state = _State.BEFORE
        self._before = self._state
        """The state in which the delimiter was found."""
        self._sink: Sink | None = None
        self._done = self._parts = self._outside = self._false = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            BadRequest: the body is malformed, or has too many parts or too much text outside them.
        """
        self._buffer += piece
        start = 0
        while (end := self._step(start)) is not None:
            start = end
        del self._buffer[: self._done]

    def finish(self) -> None:
        """The body has ended. The last boundary may be missing, because some clients omit it. Raises BadRequest."""
        match self._state:
            case _State.BEFORE if self._outside or self._buffer.strip():
                raise BadRequest("The multipart form is broken: its boundary does not occur.")
            case _State.HEADERS if self._buffer:
                raise BadRequest("The multipart form is broken: it ends within the headers of a part.")
            case _State.DATA if self._sink:
                self._sink.feed(bytes(self._buffer))
            case _State.BOUNDARY if self._sink and not _MAYBE_END.fullmatch(self._buffer):
                self._sink.feed(self._delimiter + bytes(self._buffer))

    def _step(self, start: int) -> int | None:
        """Parse one element from `start` and return where it ends; None if more bytes have to arrive first."""
        self._done = start
        match self._state:
            case _State.BEFORE | _State.DATA:
                return self._until_delimiter(start)
            case _State.BOUNDARY:
                return self._after_delimiter(start)
            case _State.HEADERS:
                return self._headers(start)
            case _State.AFTER:
                self._add_outside(len(self._buffer) - start)
                self._done = len(self._buffer)
        return None

    def _until_delimiter(self, start: int) -> int | None:
        found = self._buffer.find(self._delimiter, start)
        end = found if found >= 0 else max(start, len(self._buffer) - len(self._delimiter) + 1)
        if self._state is _State.BEFORE:
            self._add_outside(end - start)
        elif self._sink and end > start:
            self._sink.feed(bytes(memoryview(self._buffer)[start:end]))
        if found >= 0:
            self._before, self._state = self._state, _State.BOUNDARY
            return found + len(self._delimiter)
        self._done = end
        return None

    def _after_delimiter(self, start: int) -> int | None:
        if end := _BOUNDARY_END.match(self._buffer, start):
            if self._before is _State.BEFORE:
                self._delimiter = (end[1] or b"\r\n") + self._boundary
            self._sink = None
            self._state = _State.AFTER if end[0] == b"--" else _State.HEADERS
            return end.end()
        if _MAYBE_END.fullmatch(self._buffer, start):
            return None
        self._false += 1
        if self._false > _MOST_FALSE:
            raise BadRequest("The multipart form is broken: its boundary is part of what it separates.")
        self._state = self._before
        if self._sink:
            self._sink.feed(self._delimiter)
        return start

    def _headers(self, start: int) -> int | None:
        if found := _LINE_END.match(self._buffer, start):
            block = b""
        elif found := _HEADERS_END.search(self._buffer, start, start + _MOST_HEADERS):
            block = bytes(self._buffer[start : found.start()])
        else:
            if len(self._buffer) - start > _MOST_HEADERS:
                raise BadRequest("The multipart form is broken: the headers of a part are too long.")
            return None
        if self._parts == self._limit:
            raise BadRequest(f"The form has more than {self._limit} fields.")
        self._parts += 1
        self._sink, self._state = self._part(_head(block)), _State.DATA
        return found.end()

    def _add_outside(self, size: int) -> None:
        self._outside += size
        if self._outside > _MOST_OUTSIDE and self._state is _State.BEFORE:
            raise BadRequest(
                f"The multipart form is broken: its boundary does not occur in the first {_MOST_OUTSIDE} bytes."
            )
        if self._outside > _MOST_OUTSIDE:
            raise BadRequest("The multipart form is broken: there is too much text outside its parts.")


def _head(block: bytes) -> PartHead:
    disposition = encoding = b""
    for line in _HEADER_END.split(block) if block else ():
        name, colon, value = line.partition(b":")
        if not colon:
            raise BadRequest("The multipart form is broken: a part has a header without a colon.")
        match name.strip().lower():
            case b"content-disposition":
                disposition = value
            case b"content-transfer-encoding":
                encoding = value.strip().lower()
    found = header_parameters.parameters(disposition)
    return PartHead(decoded(found.get(b"name", b"")), decoded(found.get(b"filename", b"")), decoded(encoding))
