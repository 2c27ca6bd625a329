"""Decoding of encoded pictures.

JPEG, PNG (alpha, 16 bit, grey, palette), BMP, WebP, PNM, GIF (first frame) and TIFF, as the REST API accepts them. The
format is told from the bytes, never from a name or a declared type.
"""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
from PIL import Image as Pillow

from platelane.crops import Image
from platelane.errors import BadImage

_BROKEN: Final = "The image is broken or cut off."


def decode(data: bytes) -> Image:
    """The upright picture, EXIF orientation applied; alpha is dropped and 16 bit become 8.

    Call `image_header.probe` on bytes from outside first: this function decodes whatever size they claim.

    Returns:
        UINT8, shape (height, width, 3), blue-green-red.

    Raises:
        BadImage: broken or cut off.
    """
    if data.startswith(b"P"):
        return _of_pnm(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise BadImage(_BROKEN)
    return np.asarray(image, dtype=np.uint8)


def _of_pnm(data: bytes) -> Image:
    """Cameras have PNM of 10 and 12 bit, whose largest value OpenCV does not heed.

    Raises:
        BadImage: as `decode`, and for floating-point values.
    """
    try:
        with Pillow.open(io.BytesIO(data), formats=["PPM"]) as picture:
            if picture.mode == "F":
                raise BadImage("PFM images are not accepted.")
            if picture.mode == "I":  # the largest value is 65535 by then
                return np.repeat(np.asarray(picture)[:, :, None] >> 8, 3, axis=2).astype(np.uint8)
            return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
    except (OSError, ValueError, SyntaxError) as error:
        raise BadImage(_BROKEN) from error
