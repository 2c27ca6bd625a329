"""Base64 and its percent escapes are decoded as by the standard library, however the text is split."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.base64_text import Base64Decoder
from gateway.intake.escapes import Unescaper, unescape
from platelane.errors import BadRequest

escapes = st.sampled_from([b"%2B", b"%2b", b"%2F", b"%2f", b"%3D", b"%0D", b"%0a", b"%25", b"%41", b"%", b"2B", b"A"])
sizes = st.integers(1, 40)


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def decode(text: bytes, size: int = 1 << 20) -> bytes:
    decoder = Base64Decoder()
    return b"".join(decoder.feed(piece) for piece in pieces(text, size)) + decoder.finish()


@given(st.lists(escapes, max_size=12).map(b"".join), sizes)
def test_escapes_are_undone_once(text: bytes, size: int) -> None:
    assert unescape(text) == unquote_to_bytes(text)
    unescaper = Unescaper()
    assert b"".join(unescaper.feed(piece) for piece in pieces(text, size)) + unescaper.finish() == unescape(text)


@given(
    st.binary(max_size=300),
    sizes,
    st.sampled_from(
        [
            b"",
            b" \r\n",
            b"data:image/jpeg;base64,",
            b" DATA:;base64, ",
            b"data:image/jpeg;name=a,b.jpg;base64,",
            b"data:,",
            b"image/jpeg;base64,",
            b"base64,",
            b'"',
            b"b'",
            b"\xef\xbb\xbf",
            b"data:image/jpeg;base64,+",
        ]
    ),
)
def test_what_was_encoded_and_escaped_comes_back(data: bytes, size: int, before: bytes) -> None:
    data = b"\xff" + data  # a picture never begins with what a plus sign encodes
    for text in (base64.encodebytes(data), base64.b64encode(data), base64.urlsafe_b64encode(data).rstrip(b"=")):
        assert decode(before + text, size) == decode(quote(before + text, safe="").encode(), size) == data


@pytest.mark.parametrize("after", [b"'", b'"', b"\0", b"\r\n", b" ", b"+%0A+"])
def test_what_clients_leave_behind_it_is_none_of_it(after: bytes) -> None:
    assert decode(b"/9j/AA==" + after) == b"\xff\xd8\xff\x00"


@pytest.mark.parametrize("text", [b"a", b"ab=c", b"a*==", b"====a", b"data:" + b"a" * 300, b"data:a", b"ab==" * 2])
@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_what_is_no_base64(text: bytes, size: int) -> None:
    with pytest.raises(binascii.Error):
        decode(text, size)


@pytest.mark.parametrize("size", [7, 4_096, 1_000_000])
def test_more_escapes_than_base64_has_are_refused(size: int) -> None:
    with pytest.raises(BadRequest, match="percent escapes"):
        decode(b"%41" * 20_000, size)
    assert decode(b"%2F" * 20_000, size) == base64.b64decode(b"/" * 20_000)
