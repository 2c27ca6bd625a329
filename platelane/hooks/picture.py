"""The picture that goes to a receiver: upright, because boxes are measured in the upright one."""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from typing import Final

from PIL import Image

from platelane.errors import BadImage

_ORIENTATION: Final = 0x0112
_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture under the name it is sent with."""

    data: bytes
    filename: str
    media_type: str


def upright(data: bytes, filename: str) -> Picture:
    """The picture as it came, or, where its EXIF orientation turns it, as it was read, encoded as JPEG.

    What cannot be read goes out as it is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data)) as image:
                media_type = Image.MIME.get(image.format or "", "application/octet-stream")
                turned = image.getexif().get(_ORIENTATION, 1) != 1
        except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
            return Picture(data, filename, "application/octet-stream")
    return _turned(data, filename, media_type) if turned else Picture(data, filename, media_type)


def _turned(data: bytes, filename: str, media_type: str) -> Picture:
    # the decoder that the boxes come from; it is large, and few pictures need it
    from platelane import images

    try:
        image = images.decode(data)
    except BadImage:
        return Picture(data, filename, media_type)
    encoded = io.BytesIO()
    Image.fromarray(image[:, :, ::-1]).save(encoded, "JPEG", quality=_QUALITY)
    return Picture(encoded.getvalue(), f"{filename.rpartition('.')[0] or filename}.jpg", "image/jpeg")
