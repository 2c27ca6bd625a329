"""Uploads as clients send them: the picture itself, or its base64 text in every odd form."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway import pictures
from platelane.errors import BadImage, BadRequest

FORMATS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "WEBP": "webp", "PPM": "pnm", "GIF": "gif", "TIFF": "tif"}


def encoded(name: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert("RGB").save(buffer, name)
    return buffer.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": base64.b64encode,
    "data address": lambda data: b"data:image/jpeg;base64," + base64.b64encode(data),
    "data address in capitals": lambda data: b"DATA:image/jpeg;charset=utf-8;BASE64, " + base64.b64encode(data),
    "lines of 76": base64.encodebytes,
    "lines with carriage returns": lambda data: "\r\n".join(
        textwrap.wrap(base64.b64encode(data).decode(), 64)
    ).encode(),
    "no padding": lambda data: base64.b64encode(data).rstrip(b"="),
    "url-safe": base64.urlsafe_b64encode,
    "url-safe without padding": lambda data: base64.urlsafe_b64encode(data).rstrip(b"="),
    "plus read as space": lambda data: base64.b64encode(data).replace(b"+", b" "),
    "percent-encoded": lambda data: quote(base64.b64encode(data)).encode(),
    "percent-encoded data address": lambda data: quote(b"data:image/png;base64," + base64.b64encode(data)).encode(),
    "white space around": lambda data: b" \r\n\t" + base64.b64encode(data) + b" \n",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@given(tail=st.binary(max_size=200))
def test_every_base64_form_gives_the_same_picture(wrapping: str, tail: bytes) -> None:
    picture = b"\xff\xd8\xff" + tail
    assert pictures.decode_upload(WRAPPINGS[wrapping](picture)) == picture


@pytest.mark.parametrize(("name", "extension"), FORMATS.items())
def test_every_format_is_told_by_its_bytes(name: str, extension: str) -> None:
    picture = encoded(name)
    assert pictures.extension(picture) == extension
    assert pictures.decode_upload(picture) is picture
    assert pictures.decode_upload(base64.b64encode(picture)) == picture


def test_every_bitmap_header_and_plain_text_pnm() -> None:
    assert pictures.extension(b"P3\n1 1\n255\n0 0 0\n") == "pnm"
    assert pictures.extension(b"P5#comment\n1 1\n255\n\x00") == "pnm"
    assert pictures.extension(b"BM" + bytes(12) + b"\x7c\x00\x00\x00") == "bmp"


@pytest.mark.parametrize(
    "text", [b"BMW is a car", b"P6x", b"upload=abc", b"%PDF-1.4", b"RIFF0000WAVE", b"", b"\xff\xd8", b"GIF88a"]
)
def test_what_is_no_picture_has_no_extension(text: bytes) -> None:
    assert pictures.extension(text) is None


@pytest.mark.parametrize(
    "upload",
    [
        b"this is a text file",
        b"%PDF-1.4\nnot a picture",
        b"data:image/jpeg;base64,",
        b"/9j/====/9j/",
        b"/9j/*",
        base64.b64encode(b"this is a text file"),
        b"   ",
        "žluťoučký".encode(),
    ],
)
def test_other_uploads_are_refused(upload: bytes) -> None:
    with pytest.raises(BadImage):
        pictures.decode_upload(upload)


def test_more_escapes_than_base64_has_are_not_undone() -> None:
    with pytest.raises(BadRequest, match="escapes"):
        pictures.decode_upload(b"%" * 20_000)
    white = b"\xff\xd8\xff" + b"\xff" * 200_000
    assert pictures.decode_upload(quote(base64.b64encode(white), safe="").encode()) == white


@given(st.binary(max_size=300))
def test_any_bytes_give_a_picture_or_a_bad_image(data: bytes) -> None:
    try:
        picture = pictures.decode_upload(data)
    except BadImage:
        return
    assert pictures.extension(picture)
