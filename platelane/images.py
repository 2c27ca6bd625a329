"""Encoded pictures: a cheap look at the header, and decoding.

JPEG, PNG (alpha, 16 bit, grey, palette), BMP, WebP, PNM, GIF (first frame) and TIFF, as the REST API accepts them. The
format is told from the bytes, never from a name or a declared type.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image as Pillow

from platelane.crops import Image
from platelane.errors import BadImage

FORMATS: Final = ("JPEG", "MPO", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
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


def decode(data: bytes) -> Image:
    """The upright picture, EXIF orientation applied; alpha is dropped and 16 bit become 8.

    Call `probe` on bytes from outside first: this function decodes whatever size they claim.

    Returns:
        UINT8, shape (height, width, 3), blue-green-red.

    Raises:
        BadImage: broken or cut off.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise BadImage("The image is broken or cut off.")
    return np.asarray(image, dtype=np.uint8)


def _opened(data: bytes) -> Pillow.Image:
    with warnings.catch_warnings():
        # sizes are judged by our own limit; odd metadata is not the caller's problem
        warnings.simplefilter("ignore")
        return Pillow.open(io.BytesIO(data), formats=[name for name in FORMATS if name != "MPO"])
