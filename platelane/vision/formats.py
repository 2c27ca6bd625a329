"""The table of accepted picture formats, which are recognised by the first bytes of a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Format:
    """A format of encoded pictures; `name` is Pillow's."""

    name: str
    extension: str
    media_type: str
    signature: re.Pattern[bytes]


def _brands(brands: bytes) -> re.Pattern[bytes]:
    """The first box of a file by ISO/IEC 14496-12, with one of the brands as its own or, of an HEIF still picture
    (`mif1`), among the compatible ones."""
    return re.compile(rb".{4}ftyp(?:(?:%b)|mif1.{4}(?:.{4}){0,15}?(?:%b))" % (brands, brands), re.DOTALL)


JPEG: Final = Format("JPEG", "jpg", "image/jpeg", re.compile(rb"\xff\xd8\xff"))
PNG: Final = Format("PNG", "png", "image/png", re.compile(rb"\x89PNG\r\n\x1a\n"))
BMP: Final = Format("BMP", "bmp", "image/bmp", re.compile(rb"BM.{12}[\x0c-\x7c]\x00\x00\x00", re.DOTALL))
WEBP: Final = Format("WEBP", "webp", "image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL))
PNM: Final = Format("PPM", "pnm", "image/x-portable-anymap", re.compile(rb"P[1-6][\s#]"))
GIF: Final = Format("GIF", "gif", "image/gif", re.compile(rb"GIF8[79]a"))
TIFF: Final = Format("TIFF", "tif", "image/tiff", re.compile(rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+"))
AVIF: Final = Format("AVIF", "avif", "image/avif", _brands(rb"avif|avis"))
HEIC: Final = Format("HEIF", "heic", "image/heic", _brands(rb"hei[cmsx]|hev[cmsx]"))

FORMATS: Final = (JPEG, PNG, BMP, WEBP, PNM, GIF, TIFF, HEIC, AVIF)
NAMES: Final = "JPEG, PNG, BMP, WebP, PNM, GIF, TIFF, HEIC and AVIF"
"""The formats as sentences name them."""


def sniff(data: bytes | bytearray) -> Format | None:
    """The format of an encoded picture, whatever its name or declared type; None where the bytes are no picture."""
    return next((each for each in FORMATS if each.signature.match(data)), None)
