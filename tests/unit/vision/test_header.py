from __future__ import annotations

import struct
from typing import Any

import pytest

from platelane.errors import BadImage
from platelane.vision import header, jpeg
from tests.pictures import encoded, noise, png_chunk, scene, tiff

LIMIT = 1_000_000


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"icc_profile": bytes(200_000), "comment": b"\xff\xd8\xff\xc0"}),
        ("PNG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("PPM", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"icc_profile": bytes(200)}),
        ("TIFF", {}),
        ("TIFF", {"big_tiff": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {}),
    ],
)
def test_the_size_is_read(format: str, options: dict[str, Any]) -> None:
    found = header.probe(encoded(scene(300, 154), format, **options), LIMIT)
    assert (found.format.name, found.width, found.height) == (format, 300, 154)


def test_the_size_of_a_heic_is_that_of_the_whole_picture() -> None:
    assert header.probe(encoded(noise(320, 192), "HEIF"), LIMIT).pixels == 320 * 192


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"BM" + bytes(12) + struct.pack("<IHH", 12, 30, 20), (30, 20)),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, 30, -20), (30, 20)),
        (b"P5 # made by\n#a camera\n 30\t20 255 ", (30, 20)),
        (tiff((256, 3, 1, 30 << 16), (257, 3, 1, 20 << 16), order=">"), (30, 20)),
        (b"\xff\xd8\xff\xff\xff\xfe\0\4ab\xff\xc2\0\x0b\x08\0\x14\0\x1e\1\1\x11\0", (30, 20)),
    ],
)
def test_rare_spellings_of_a_size(data: bytes, size: tuple[int, int]) -> None:
    found = header.probe(data, LIMIT)
    assert (found.width, found.height) == size


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    with pytest.raises(BadImage, match="60000 x 60000 pixels; at most 1000000"):
        header.probe(data, LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff\xe5\0\2" * 1_000_000,
        b"\xff\xd8\xff\xe1" + b"\xff" * 4_000_000,
        b"\xff\xd8\xff\xe1\0\0" + bytes(2_000_000),
        b"P6\n" + b"#\n" * 1_000_000,
        b"P6\n" + b" " * 2_000_000 + b"64 32 255\n",
        b"P6 99999999999 99999999999 255\n",
        b"GIF89a\0\0\0\0",
        tiff(*[(256, 4, 1, 64)] * 60_000),
        tiff((256, 4, 1, 64)),
        tiff((256, 2, 1, 64), (257, 2, 1, 64)),
        b"II*\0\xff\xff\xff\xff",
        b"II+\0" + b"\xff" * 12,
        b"\0\0\0\x1cftypheic" + bytes(100),
        b"RIFF\0\0\0\0WEBPVP8Z" + bytes(40),
        b"RIFF\0\0\0\0WEBPVP8L" + bytes(40),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, -30, 20),
    ],
)
def test_headers_without_a_size_are_damaged(data: bytes) -> None:
    with pytest.raises(BadImage, match="damaged"):
        header.probe(data, 10**18)


def test_an_empty_upload_is_said_to_be_empty() -> None:
    with pytest.raises(BadImage, match="empty"):
        header.probe(b"", LIMIT)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_orientation(format: str, orientation: int) -> None:
    assert header.orientation(encoded(scene(), format, orientation)) == orientation


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", encoded(scene(), "JPEG"), encoded(scene(), "GIF"), b"\xff\xd8\xffExif\0\0II*\0\xff"]
)
def test_pictures_without_orientation_are_upright(data: bytes) -> None:
    assert header.orientation(data) == 1


def test_scans_are_counted_up_to_the_end_of_the_picture() -> None:
    sequential, progressive = encoded(noise(), "JPEG"), encoded(noise(), "JPEG", progressive=True)
    for data, scans in ((sequential, 1), (progressive, progressive.count(b"\xff\xda"))):
        start = jpeg.frame(data).end
        assert jpeg.scans(data, start, 100) == (scans, True)
        assert jpeg.scans(data + sequential, start, 100) == (scans, True), "what follows is another picture"
        assert jpeg.scans(data[:-2], start, 100) == (scans, False)
    assert jpeg.scans(progressive, jpeg.frame(progressive).end, 3) == (4, False)


def test_a_scan_longer_than_a_step_is_one_scan() -> None:
    data = encoded(noise(), "JPEG", restart_marker_blocks=1)
    scan = data.index(b"\xff\xda") + 14
    for size in (1 << 20, (1 << 20) - 15, (1 << 20) - 14, (1 << 20) - 13, 3 << 20):
        assert jpeg.scans(data[:scan] + bytes(size) + b"\xff\xd9", jpeg.frame(data).end, 9) == (1, True)
