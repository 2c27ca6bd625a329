"""The header of an encoded picture: its format and size.

Headers are not read by a library, because this happens on the gateway's event loop, which must not block. Pillow
follows every count and length that a file claims, for seconds or through gigabytes; this module only reads the few
bytes that hold the size. Any other problem with a picture is found when it is decoded, in a separate process.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from platelane.errors import BadImage
from platelane.vision import formats, jpeg
from platelane.vision.formats import Format

Size = tuple[int, int]
"""Width and height."""

_PNM: Final = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_PNM_HEADER: Final = 4_096
"""Bytes that a header with its comments may take."""
_TIFF_ENTRIES: Final = 512
"""Entries of a directory; real ones have dozens."""
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_ORIENTATION = 256, 257, 274
_TIFF_FORMATS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""The `struct` formats of the entry types that a size can have."""
_EXIF: Final = {
    formats.JPEG: re.compile(rb"Exif\x00\x00"),
    formats.PNG: re.compile(rb"eXIf"),
    formats.WEBP: re.compile(rb"EXIF....(?:Exif\x00\x00)?", re.DOTALL),
    formats.TIFF: re.compile(rb""),
}
"""What precedes the EXIF data, which is a TIFF, in each format."""
_EXIF_BYTES: Final = 65_536
_SIZE_BOX: Final = b"\x00\x00\x00\x14ispe\x00\x00\x00\x00"
_SIZE_BOXES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Header:
    """Format and size of a picture; width and height in pixels as stored, before EXIF orientation."""

    format: Format
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def probe(data: bytes, pixel_limit: int) -> Header:
    """Read the header without decoding a pixel, so that a decompression bomb costs nothing: a millisecond at most.

    Raises:
        BadImage: not a picture in one of `formats.FORMATS`, or one of more than `pixel_limit` pixels.
    """
    header = read(data)
    if header.pixels > pixel_limit:
        raise BadImage(f"The image has {header.width} x {header.height} pixels; at most {pixel_limit} are accepted.")
    return header


def read(data: bytes) -> Header:
    """The header of a picture of any size.

    Raises:
        BadImage: not a picture in one of `formats.FORMATS`.
    """
    if not data:
        raise BadImage("The uploaded file is empty.")
    kind = formats.sniff(data)
    if kind is None:
        raise BadImage(f"The uploaded file is not an image in a supported format: {formats.NAMES} are.")
    try:
        width, height = _SIZES[kind](data)
    except (ValueError, IndexError, OverflowError, struct.error) as error:
        raise BadImage(f"The {kind.name} image is damaged: its header cannot be read.") from error
    if not width or not height:
        raise BadImage(f"The {kind.name} image is damaged: it has no pixels.")
    return Header(kind, width, height)


def orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, PNG, WebP or TIFF; 1 (upright) if there is none."""
    kind = formats.sniff(data)
    if kind is None or kind not in _EXIF:
        return 1
    found = _EXIF[kind].search(data)
    try:
        numbers = _tiff_numbers(data[found.end() : found.end() + _EXIF_BYTES]) if found else {}
    except (ValueError, OverflowError, struct.error):
        return 1
    return numbers.get(_TIFF_ORIENTATION, 1)


def _jpeg(data: bytes) -> Size:
    frame = jpeg.frame(data)
    return frame.width, frame.height


def _png(data: bytes) -> Size:
    if data[12:16] != b"IHDR":
        raise ValueError("no IHDR")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _bmp(data: bytes) -> Size:
    if data[14] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    width, height = struct.unpack_from("<ii", data, 18)
    if width < 0:
        raise ValueError("negative width")
    return width, abs(height)  # negative if the first row is on top


def _gif(data: bytes) -> Size:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> Size:
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L" if data[20] == 0x2F:
            bits = struct.unpack_from("<I", data, 21)[0]
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
    raise ValueError("no picture")


def _pnm(data: bytes) -> Size:
    match = _PNM.match(data, 0, _PNM_HEADER)
    if match is None:
        raise ValueError("no size")
    return int(match[1]), int(match[2])


def _tiff(data: bytes) -> Size:
    numbers = _tiff_numbers(data)
    return numbers.get(_TIFF_WIDTH, 0), numbers.get(_TIFF_HEIGHT, 0)


def _tiff_numbers(data: bytes) -> dict[int, int]:
    """Size and orientation in the first directory."""
    order = "<" if data[:2] == b"II" else ">"
    large = 43 in data[2:4]  # BigTIFF
    (start,) = struct.unpack_from(f"{order}Q", data, 8) if large else struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}Q" if large else f"{order}H", data, start)
    if count > _TIFF_ENTRIES:
        raise ValueError("too many entries")
    start += 8 if large else 2
    step, value = (20, 12) if large else (12, 8)
    numbers: dict[int, int] = {}
    for at in range(start, start + count * step, step):
        tag, kind = struct.unpack_from(f"{order}HH", data, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_ORIENTATION) and kind in _TIFF_FORMATS:
            (numbers[tag],) = struct.unpack_from(f"{order}{_TIFF_FORMATS[kind]}", data, at + value)
    return numbers


def _heif(data: bytes) -> Size:
    """The largest size in the file, which is that of the picture; others are those of tiles or a preview.

    The boxes with sizes are found by their names, regardless of where the file claims they are.
    """
    sizes: list[Size] = []
    position = data.find(_SIZE_BOX)
    while position >= 0 and len(sizes) < _SIZE_BOXES:
        position += len(_SIZE_BOX)
        sizes.append(struct.unpack_from(">II", data, position))
        position = data.find(_SIZE_BOX, position)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return width, height


_SIZES: Final[Mapping[Format, Callable[[bytes], Size]]] = {
    formats.JPEG: _jpeg,
    formats.PNG: _png,
    formats.BMP: _bmp,
    formats.WEBP: _webp,
    formats.PNM: _pnm,
    formats.GIF: _gif,
    formats.TIFF: _tiff,
    formats.HEIC: _heif,
    formats.AVIF: _heif,
}
