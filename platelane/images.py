"""Decoding of encoded pictures.

JPEG, PNG (alpha, 16 bit, grey, palette), BMP, WebP, PNM, GIF (first frame) and TIFF, as the REST API accepts them. The
format is told from the bytes, never from a name or a declared type.
"""

from __future__ import annotations

import cv2
import numpy as np

from platelane.crops import Image
from platelane.errors import BadImage


def decode(data: bytes) -> Image:
    """The upright picture, EXIF orientation applied; alpha is dropped and 16 bit become 8.

    Call `image_header.probe` on bytes from outside first: this function decodes whatever size they claim.

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
