"""The header of an encoded picture: what it is and how large, without decoding a pixel or importing a decoder."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image as Pillow

from platelane.errors import BadImage

FORMATS: Final = ("JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
_UNREADABLE: Final = "The uploaded file is not an image that can be read: JPEG, PNG, BMP, WebP, PNM, GIF and TIFF are."


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's first bytes say; width and height in pixels as stored, before EXIF orientation."""

    format: str
    width: int
    height: int


def probe(data: bytes, pixel_limit: int) -> Header:
    """Read the header without decoding a pixel, so that a decompression bomb costs nothing.

    Raises:
        BadImage: not a picture in one of `FORMATS`, or one of more than `pixel_limit` pixels.
    """
    if not data:
        raise BadImage("The uploaded file is empty.")
    try:
        with _opened(data) as picture:
            header = Header(str(picture.format), *picture.size)
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise BadImage(_UNREADABLE) from error
    if header.width * header.height > pixel_limit:
        raise BadImage(f"The image has {header.width} x {header.height} pixels; at most {pixel_limit} are accepted.")
    return header


def _opened(data: bytes) -> Pillow.Image:
    with warnings.catch_warnings():
        # sizes are judged by our own limit; odd metadata is not the caller's problem
        warnings.simplefilter("ignore")
        return Pillow.open(io.BytesIO(data), formats=FORMATS)
