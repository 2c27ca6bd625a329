"""The picture that is sent to a receiver: upright, because boxes refer to the upright picture."""

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
"""Seconds for decoding, which no caller waits for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture with its file name."""

    data: bytes
    filename: str
    media_type: str


def upright(data: bytes, filename: str, decode: Decode) -> Picture:
    """The unchanged picture; if its EXIF orientation is not upright, an upright JPEG of the same name.

    A picture that cannot be decoded is not changed.
    """
    kind = formats.sniff(data)
    unchanged = Picture(data, filename, kind.media_type if kind else "application/octet-stream")
    if header.orientation(data) == 1:
        return unchanged
    try:
        image = decode(data, time.time() + _PATIENCE).image
    except PlatelaneError:
        return unchanged
    encoded = io.BytesIO()
    Image.fromarray(image[:, :, ::-1]).save(encoded, "JPEG", quality=_QUALITY)
    return Picture(encoded.getvalue(), filename, "image/jpeg")
