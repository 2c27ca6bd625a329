from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from platelane import image_header, images
from platelane.errors import BadImage

LIMIT = 1_000_000


def scene() -> Pillow.Image:
    """A 64 x 32 picture, red on the left half, blue on the right."""
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:, :32, 0], pixels[:, 32:, 2] = 220, 220
    return Pillow.fromarray(pixels)


def encoded(picture: Pillow.Image, format: str, orientation: int | None = None) -> bytes:
    buffer = io.BytesIO()
    exif = Pillow.Exif()
    if orientation is not None:
        exif[0x112] = orientation
        picture.save(buffer, format, exif=exif)
    else:
        picture.save(buffer, format)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF"])
def test_every_format_decodes_to_the_same_blue_green_red_picture(format: str) -> None:
    data = encoded(scene(), format)
    assert image_header.probe(data, LIMIT) == image_header.Header(format, 64, 32)
    image = images.decode(data)
    assert image.shape == (32, 64, 3)
    assert image.dtype == np.uint8
    blue, _, red = image[16, 8]
    assert red > 180
    assert blue < 60
    blue, _, red = image[16, 56]
    assert blue > 180
    assert red < 60


@pytest.mark.parametrize(("kind", "channels"), [("P5", 1), ("P6", 3)])
@pytest.mark.parametrize("largest", [31, 255, 1023, 4095, 65535])
def test_the_largest_value_of_a_pnm_is_white(kind: str, channels: int, largest: int) -> None:
    values = np.full((4, 6, channels), largest, dtype=">u2" if largest > 255 else np.uint8)
    values[:, :3] = 0
    image = images.decode(f"{kind}\n6 4\n{largest}\n".encode() + values.tobytes())
    assert image.shape == (4, 6, 3)
    assert (image[:, :3] == 0).all()
    assert (image[:, 3:] == 255).all()


@pytest.mark.parametrize("kind", ["Pf", "PF"])
def test_floating_point_pictures_are_refused(kind: str) -> None:
    data = f"{kind}\n6 4\n-1.0\n".encode() + np.ones((4, 6, 3 if kind == "PF" else 1), "<f4").tobytes()
    with pytest.raises(BadImage):
        images.decode(data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16", "CMYK"])
def test_every_pixel_type_becomes_eight_bit_colour(mode: str) -> None:
    picture = Pillow.fromarray(np.full((32, 64), 40000, dtype=np.uint16)) if mode == "I;16" else scene().convert(mode)
    image = images.decode(encoded(picture, "TIFF" if mode == "CMYK" else "PNG"))
    assert image.shape == (32, 64, 3)
    assert image.max() > 50


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(format: str) -> None:
    image = images.decode(encoded(scene(), format, orientation=6))
    assert image.shape == (64, 32, 3)
    assert image[8, 16, 2] > 180, "turned clockwise, the left half is on top"


def test_a_jpeg_cut_in_half_is_broken() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    with pytest.raises(BadImage, match="broken"):
        images.decode(data[: len(data) // 2])


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(BadImage):
        image_header.probe(b"\x89PNG\r\n\x1a\n" + chunk + b"\x00\x00\x00\x00IDAT", LIMIT)


def test_too_many_pixels_are_counted_for_the_caller() -> None:
    with pytest.raises(BadImage, match="64 x 32 pixels; at most 2000"):
        image_header.probe(encoded(scene(), "PNG"), 2000)


def test_an_empty_upload_is_said_to_be_empty() -> None:
    with pytest.raises(BadImage, match="empty"):
        image_header.probe(b"", LIMIT)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"P6\n"])
)
def test_arbitrary_bytes_raise_bad_image_or_pass(data: bytes, start: bytes) -> None:
    try:
        image_header.probe(start + data, LIMIT)
        images.decode(start + data)
    except BadImage:
        pass
