"""The picture that goes to a receiver: upright, because boxes are measured in the upright one."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import Final

from PIL import Image

from platelane.errors import PlatelaneError
from platelane.vision import formats, header
from platelane.vision.decoders import Decode

_QUALITY: Final = 92
_PATIENCE: Final = 30.0
"""Seconds for decoding: nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture under the name it is sent with."""

    data: bytes
    filename: str
    media_type: str


def upright(data: bytes, filename: str, decode: Decode) -> Picture:
    """The picture as it came, or, where its EXIF orientation turns it, as it was read: a JPEG of the same name.

    What cannot be read goes out as it is.
    """
    kind = formats.sniff(data)
    as_it_came = Picture(data, filename, kind.media_type if kind else "application/octet-stream")
    if header.orientation(data) == 1:
        return as_it_came
    try:
        image = decode(data, time.time() + _PATIENCE).image
    except PlatelaneError:
        return as_it_came
    encoded = io.BytesIO()
    Image.fromarray(image[:, :, ::-1]).save(encoded, "JPEG", quality=_QUALITY)
    return Picture(encoded.getvalue(), filename, "image/jpeg")
