"""Bodies that come compressed, inflated while they arrive."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from platelane.errors import BadRequest, UnsupportedEncoding

ACCEPTED: Final = ("gzip", "deflate")
_GZIP: Final = 16 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_DEFLATE_METHOD: Final = 8


class Decoder(Protocol):
    """Undoes a content encoding piece by piece."""

    def decode(self, chunk: bytes, size: int) -> Iterator[bytes]:
        """The next decoded bytes, in pieces of at most `size` (over 0), made as they are asked for.

        Raises BadRequest.
        """
        ...

    def finish(self) -> None:
        """Raises BadRequest where the end is missing."""
        ...


class Identity:
    """For bodies that are not encoded."""

    def decode(self, chunk: bytes, size: int) -> Iterator[bytes]:
        return (chunk[start : start + size] for start in range(0, len(chunk), size))

    def finish(self) -> None:
        pass


class Inflate:
    """For gzip and deflate; deflate comes with zlib's header, as it should, or without it, as some clients send it."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflate: zlib._Decompress | None = None

    def decode(self, chunk: bytes, size: int) -> Iterator[bytes]:
        if not chunk:
            return
        if self._inflate is None:
            has_header = self._encoding == "gzip" or chunk[0] & 0x0F == _DEFLATE_METHOD
            bits = _GZIP if self._encoding == "gzip" else zlib.MAX_WBITS if has_header else _RAW
            self._inflate = zlib.decompressobj(bits)
        try:
            while piece := self._inflate.decompress(chunk, size):
                yield piece
                chunk = self._inflate.unconsumed_tail
        except zlib.error as error:
            raise BadRequest(f"The body is not valid {self._encoding}: {error}.") from error

    def finish(self) -> None:
        if self._inflate is None or not self._inflate.eof:
            raise BadRequest(f"The {self._encoding} body is cut off.")


def decoder(content_encoding: str) -> Decoder:
    """What undoes the encoding that a request's header names.

    Raises:
        UnsupportedEncoding: nothing here does.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            return Identity()
        case "gzip" | "x-gzip":
            return Inflate("gzip")
        case "deflate":
            return Inflate("deflate")
    raise UnsupportedEncoding(content_encoding.strip(), ACCEPTED)
