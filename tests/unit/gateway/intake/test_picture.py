"""Uploads as clients send them: the picture itself, or its base64 text in every odd form."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gateway.intake import fields
from gateway.intake.fields import Fields
from gateway.intake.parts import Parts
from gateway.intake.picture import Picture, take
from gateway.intake.upload import SLICE, Upload
from gateway.intake.url_fetcher import UrlFetcher
from platelane.errors import BadImage, BadRequest, UploadTooLarge
from platelane.runtime.settings import Settings
from platelane.vision import formats

FORMATS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "WEBP": "webp", "PPM": "pnm", "GIF": "gif", "TIFF": "tif"}


LIMIT = 1_000_000
NOWHERE = UrlFetcher(Settings())
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def uploaded(data: bytes, limit: int = LIMIT, size: int = SLICE) -> Upload:
    upload = Upload(limit)
    for start in range(0, len(data), size):
        upload.feed(data[start : start + size])
    return upload


def asked(data: bytes | None, filename: str = "") -> Fields:
    return fields.read(Parts(None if data is None else uploaded(data), filename), NOW)


def decode_upload(data: bytes, size: int = SLICE) -> bytes:
    return uploaded(data, size=size).picture()


def encoded(name: str = "JPEG", size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, name)
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
@given(tail=st.binary(max_size=200), size=st.integers(1, 300))
def test_every_base64_form_gives_the_same_picture(wrapping: str, tail: bytes, size: int) -> None:
    picture = b"\xff\xd8\xff" + tail
    assert decode_upload(WRAPPINGS[wrapping](picture), size) == picture


@pytest.mark.parametrize("name", FORMATS)
async def test_every_format_is_taken_as_it_is(name: str) -> None:
    picture = encoded(name)
    assert decode_upload(picture) == picture
    assert (await Upload.whole(picture, LIMIT)).picture() is picture, "what is there already is not copied"
    assert (await Upload.whole(base64.b64encode(picture), LIMIT)).picture() == picture
    assert decode_upload(base64.b64encode(picture)) == picture


@pytest.mark.parametrize(("name", "extension"), FORMATS.items())
async def test_without_a_name_the_format_names_it(name: str, extension: str) -> None:
    taken = await take(asked(encoded(name)), NOWHERE, LIMIT, 10_000)
    assert taken == Picture(encoded(name), f"upload.{extension}", 40 * 30, 0.0)
    assert (await take(asked(encoded(name), "car.jpg"), NOWHERE, LIMIT, 10_000)).filename == "car.jpg"


async def test_the_pixels_of_the_header_are_limited() -> None:
    with pytest.raises(BadImage, match="40 x 30 pixels"):
        await take(asked(encoded()), NOWHERE, LIMIT, 1_000)


async def test_no_picture_at_all() -> None:
    with pytest.raises(BadImage, match="no image"):
        await take(asked(None), NOWHERE, LIMIT, 10_000)


def test_what_is_too_large_is_that_before_it_is_no_picture() -> None:
    for upload in (b"no picture" * 100, encoded(), base64.b64encode(encoded())):
        with pytest.raises(UploadTooLarge):
            uploaded(upload, 100)


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
        decode_upload(upload)


@pytest.mark.parametrize("wrapped", [bytes, base64.b64encode])
@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\x01\0", b"%PDF-1.4"])
def test_what_is_not_accepted_is_told_what_is(start: bytes, wrapped: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadImage, match="JPEG, PNG, BMP, WebP, PNM, GIF, TIFF, HEIC and AVIF"):
        decode_upload(wrapped(start + bytes(300)))


def test_more_escapes_than_base64_has_are_not_undone() -> None:
    with pytest.raises(BadRequest, match="escapes"):
        decode_upload(b"%" * 20_000)
    white = b"\xff\xd8\xff" + b"\xff" * 200_000
    assert decode_upload(quote(base64.b64encode(white), safe="").encode()) == white


@given(st.binary(max_size=300))
def test_any_bytes_give_a_picture_or_a_bad_image(data: bytes) -> None:
    try:
        picture = decode_upload(data, 7)
    except BadImage:
        return
    assert formats.sniff(picture)
