"""Compressed request bodies, decompressed while they arrive."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from platelane.errors import BadRequest, UnsupportedEncoding

ACCEPTED: Final = ("gzip", "deflate")
_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_DEFLATE_METHOD: Final = 8
_MEMBER: Final = b"\x1f\x8b\x08"
"""The first bytes of each member of a gzip body."""
MOST_MEMBERS: Final = 1_000
"""Of one body; each costs as much time as some kilobytes."""


class Decoder(Protocol):
    """Undoes a content encoding piece by piece."""

    def decode(self, chunk: bytes, size: int) -> Iterator[bytes]:
        """The next decoded bytes, in pieces of at most `size` (over 0), made as they are asked for.

        Raises BadRequest.
        """
        ...

    def finish(self) -> None:
        """Raises BadRequest if the end is missing."""
        ...


class Identity:
    """For bodies that are not encoded."""

    def decode(self, chunk: bytes, size: int) -> Iterator[bytes]:
        return (chunk[start : start + size] for start in range(0, len(chunk), size))

    def finish(self) -> None:
        pass


class Inflate:
    """For gzip, of one or more members, and deflate, with zlib's header as specified or without, as some clients send
    it. Data after the end is ignored."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflate: zlib._Decompress | None = None
        self._members = 0
        self._rest = b""
        """The beginning of what may be another member."""
        self._ended = False

    def decode(self, chunk: bytes, size: int) -> Iterator[bytes]:
        chunk = self._rest + chunk
        self._rest = piece = b""
        # after a full piece, more output may be pending even though all input has been consumed
        while chunk or len(piece) == size:
            if self._inflate is None or self._inflate.eof:
                if not self._member_begins(chunk):
                    return
                self._inflate = self._next_member(chunk)
            try:
                piece = self._inflate.decompress(chunk, size)
            except zlib.error as error:
                raise BadRequest(f"The body is not valid {self._encoding}, as its Content-Encoding says.") from error
            chunk = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                yield piece

    def _next_member(self, chunk: bytes) -> zlib._Decompress:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise BadRequest(f"The gzip body has more than {MOST_MEMBERS} members.")
        has_header = self._encoding == "gzip" or chunk[0] & 0x0F == _DEFLATE_METHOD
        return zlib.decompressobj(_GZIP if self._encoding == "gzip" else zlib.MAX_WBITS if has_header else _RAW)

    def _member_begins(self, chunk: bytes) -> bool:
        """Whether a member begins here: the first one, or another after one that has ended."""
        if self._inflate is None:
            return True
        if self._encoding != "gzip" or self._ended:
            return False
        if len(chunk) < len(_MEMBER) and _MEMBER.startswith(chunk):
            self._rest = chunk
            return False
        self._ended = not chunk.startswith(_MEMBER)
        return not self._ended

    def finish(self) -> None:
        if self._inflate is None or not self._inflate.eof:
            raise BadRequest(f"The {self._encoding} body is cut off.")


def decoder(content_encoding: str) -> Decoder:
    """The decoder for the Content-Encoding of a request.

    Raises:
        UnsupportedEncoding: it is not one of `ACCEPTED`.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            return Identity()
        case "gzip" | "x-gzip":
            return Inflate("gzip")
        case "deflate":
            return Inflate("deflate")
    raise UnsupportedEncoding(content_encoding.strip(), ACCEPTED)
