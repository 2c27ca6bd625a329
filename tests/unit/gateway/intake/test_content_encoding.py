"""Compressed bodies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.content_encoding import MOST_MEMBERS, decoder
from platelane.errors import BadRequest, UnsupportedEncoding


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(b"") + gzip.compress(data[7:])),
    ("gzip", lambda data: gzip.compress(data) + bytes(600)),
    ("gzip", lambda data: gzip.compress(data) + b"\x1f\x8bgarbage"),
    (" X-GZip ", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]


@pytest.mark.parametrize(("encoding", "encode"), ENCODINGS)
@given(data=st.binary(max_size=400), size=st.integers(1, 50))
def test_what_was_encoded_comes_back_however_it_is_cut(
    encoding: str, encode: Callable[[bytes], bytes], data: bytes, size: int
) -> None:
    body = encode(data)
    decoding = decoder(encoding)
    pieces = [piece for start in range(0, len(body), size) for piece in decoding.decode(body[start : start + size], 30)]
    decoding.finish()
    assert b"".join(pieces) == data
    assert all(len(piece) <= 30 for piece in pieces)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_goes_off_piece_by_piece(encoding: str) -> None:
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(bytes(50_000_000))
    assert len(next(decoder(encoding).decode(bomb, 1_000))) == 1_000


def test_members_have_a_limit() -> None:
    empty = gzip.compress(b"")
    assert list(decoder("gzip").decode(empty * MOST_MEMBERS, 1_000)) == []
    with pytest.raises(BadRequest, match="more than 1000 members"):
        list(decoder("gzip").decode(empty * (MOST_MEMBERS + 1), 1_000))


def test_a_member_that_is_cut_off() -> None:
    decoding = decoder("gzip")
    list(decoding.decode(gzip.compress(b"a") + gzip.compress(b"b")[:-1], 10))
    with pytest.raises(BadRequest, match="cut off"):
        decoding.finish()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_is_cut_off_or_no_such_thing(encoding: str) -> None:
    whole = (gzip.compress if encoding == "gzip" else zlib.compress)(b"picture" * 100)
    decoding = decoder(encoding)
    assert b"".join(decoding.decode(whole[:-5], 10_000))
    with pytest.raises(BadRequest, match="cut off"):
        decoding.finish()
    with pytest.raises(BadRequest, match="cut off"):
        decoder(encoding).finish()
    with pytest.raises(BadRequest, match=f"not valid {encoding}"):
        list(decoder(encoding).decode(b"\xff\xd8\xff not compressed at all", 10_000))


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "\xff"])
def test_others_are_named_and_so_is_what_is_accepted(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding, match="gzip and deflate are") as caught:
        decoder(encoding)
    assert (caught.value.status, caught.value.accepted) == (415, ("gzip", "deflate"))
