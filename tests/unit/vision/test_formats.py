"""Formats are recognised by first bytes, and agree with Pillow."""

from __future__ import annotations

import pytest
from PIL import Image

from platelane.vision import formats
from platelane.vision.formats import FORMATS, Format
from tests.pictures import encoded, noise


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.name)
def test_every_format_is_told_by_its_bytes(kind: Format) -> None:
    data = encoded(noise(), kind.name)
    assert formats.sniff(data) is kind
    assert formats.sniff(bytearray(data)) is kind
    if kind is not formats.HEIC:  # which is the kind of HEIF that phones write
        assert Image.MIME[kind.name] == kind.media_type


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        (b"heic\0\0\0\0mif1", formats.HEIC),
        (b"mif1\0\0\0\0mif1heic", formats.HEIC),
        (b"mif1\0\0\0\0mif1miafavif", formats.AVIF),
        (b"avis\0\0\0\0msf1", formats.AVIF),
        (b"mif1\0\0\0\0mif1miaf", None),
        (b"isom\0\0\0\0mp42", None),
    ],
)
def test_what_an_iso_file_holds_is_told_by_its_brands(brands: bytes, kind: Format | None) -> None:
    assert formats.sniff(b"\0\0\0\x24ftyp" + brands + bytes(80)) is kind


def test_every_bitmap_header_and_plain_text_pnm() -> None:
    assert formats.sniff(b"P3\n1 1\n255\n0 0 0\n") is formats.PNM
    assert formats.sniff(b"P5#comment\n1 1\n255\n\x00") is formats.PNM
    assert formats.sniff(b"BM" + bytes(12) + b"\x7c\x00\x00\x00") is formats.BMP


@pytest.mark.parametrize(
    "text", [b"BMW is a car", b"P6x", b"Pf\n", b"upload=abc", b"%PDF-1.4", b"RIFF0000WAVE", b"", b"\xff\xd8", b"GIF88a"]
)
def test_what_is_no_picture_has_no_format(text: bytes) -> None:
    assert formats.sniff(text) is None
