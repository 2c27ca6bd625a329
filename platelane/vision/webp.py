"""WebP files that are cut off: their first picture, as a file that decoders accept."""

from __future__ import annotations

from typing import Final

_PICTURES: Final = (b"VP8 ", b"VP8L")
_FRAME: Final = b"ANMF"
_FRAME_HEAD: Final = 16
"""Bytes of a frame before the chunks with its picture."""
_CHUNKS: Final = 64
"""Chunks before the first picture; encoders write at most four."""


def is_complete(data: bytes) -> bool:
    """Whether the file has as many bytes as its first chunk claims."""
    return len(data) >= int.from_bytes(data[4:8], "little") + 8


def first_picture(data: bytes) -> bytes | None:
    """A file with only the first picture of `data`, which may be an animation, and zeros for what is missing of it.

    There are more zeros than bytes are missing: what a decoder makes of zeros may take more of them. None if `data` has
    less than half of the bytes that the picture claims. Transparency is left out.
    """
    start = 12
    for _ in range(_CHUNKS):
        name, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        start += 8
        if name in _PICTURES:
            picture = data[start : start + size]
            if size > 2 * len(data) or not picture:
                return None
            length = size + size // 2 & ~1
            head = b"RIFF%bWEBP%b%b" % ((length + 12).to_bytes(4, "little"), name, length.to_bytes(4, "little"))
            return head + picture + bytes(length - len(picture))
        start += _FRAME_HEAD if name == _FRAME else size + size % 2
    return None
