from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from platelane.vision import decoding
from platelane.webhooks.picture import upright
from tests.stages import decode_here

ORIENTATION = 0x0112


def photograph(orientation: int | None, kind: str = "JPEG") -> bytes:
    """A picture whose upper left is red, 64 by 48 as stored."""
    image = Image.new("RGB", (64, 48), "blue")
    image.paste("red", (0, 0, 16, 12))
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    encoded = io.BytesIO()
    image.save(encoded, kind, exif=exif, quality=95)
    return encoded.getvalue()


@pytest.mark.parametrize("orientation", [None, 1])
def test_upright_pictures_go_as_they_came(orientation: int | None) -> None:
    data = photograph(orientation)
    picture = upright(data, "a.jpeg", decode_here)
    assert (picture.data, picture.filename, picture.media_type) == (data, "a.jpeg", "image/jpeg")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_pictures_are_those_that_boxes_were_measured_in(orientation: int) -> None:
    data = photograph(orientation)
    picture = upright(data, "a.b.jpeg", decode_here)
    with Image.open(io.BytesIO(picture.data)) as sent:
        assert sent.getexif().get(ORIENTATION, 1) == 1, "no receiver turns it once more"
        seen = np.asarray(sent.convert("RGB"), np.int16)[:, :, ::-1]
    measured = decoding.decode(data).image.astype(np.int16)
    assert seen.shape == measured.shape
    assert np.abs(seen - measured).mean() < 3
    assert (picture.filename, picture.media_type) == ("a.b.jpeg", "image/jpeg")


@pytest.mark.parametrize("data", [b"", b"nonsense", photograph(6)[:400]])
def test_broken_pictures_go_as_they_are(data: bytes) -> None:
    assert upright(data, "a.jpg", decode_here).data == data


def test_a_picture_with_broken_exif_goes_as_it_is() -> None:
    data = photograph(6, "PNG")
    start = data.index(b"eXIf") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    broken = b"eXIf" + data[start + 8 : start + 14]
    chunk = (6).to_bytes(4, "big") + broken + zlib.crc32(broken).to_bytes(4, "big")
    data = data[:start] + chunk + data[start + 12 + length :]
    assert upright(data, "a.png", decode_here).data == data
