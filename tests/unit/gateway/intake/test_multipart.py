"""Multipart bodies and their parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import multipart
from gateway.intake.multipart import PartHead, Splitter
from platelane.errors import BadRequest

BODY = (
    b'--x\r\nContent-Disposition: form-data; name="upload"; filename="car.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    b"\xff\xd8\xff\r\n--y\r\n\r\n--x\r\ncontent-disposition: form-data; name=mmc\r\n\r\ntrue\r\n--x--\r\n"
)


@dataclass
class Part:
    head: PartHead
    data: bytes = b""

    def feed(self, piece: bytes) -> None:
        self.data += piece


def split(body: bytes, boundary: bytes = b"x", limit: int = 2, size: int = 1 << 14) -> list[Part]:
    parts: list[Part] = []

    def part(head: PartHead) -> Part:
        parts.append(Part(head))
        return parts[-1]

    splitter = Splitter(boundary, limit, part)
    for start in range(0, len(body), size):
        splitter.feed(body[start : start + size])
    splitter.finish()
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 1_000])
def test_parts_with_their_names_and_bytes(size: int) -> None:
    assert split(BODY, size=size) == [
        Part(PartHead("upload", "car.jpg"), b"\xff\xd8\xff\r\n--y\r\n"),
        Part(PartHead("mmc", ""), b"true"),
    ]


@given(
    st.lists(st.sampled_from([b"\r\n", b"--x", b"\r\n--x", b"\r\n--xy", b"-", b"a", b"\r"]), max_size=8),
    st.integers(1, 30),
)
def test_how_a_body_is_cut_makes_no_difference(noise: list[bytes], size: int) -> None:
    data = b"".join(noise)
    whole = b"--x\r\n\r\n" + data + b"!\r\n--x \t\r\nA: b\r\n\r\n\r\n--x--"
    if re.search(rb"\r\n--x(--|\r\n)", data + b"!"):
        return
    assert [part.data for part in split(whole, size=size)] == [data + b"!", b""]


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"--x", b"\n--xy", b"-", b"a", b"\r"]), max_size=8), st.integers(1, 30)
)
def test_lines_may_end_with_lf_alone(noise: list[bytes], size: int) -> None:
    """What stands in a part keeps its line ends."""
    data = b"".join(noise)
    whole = b'Preamble\n--x\nContent-Disposition: form-data; name="a"\n\n' + data + b"!\n--x\nA: b\n\n\n--x--\n"
    if re.search(rb"\n--x(--|\r?\n)", data + b"!"):
        return
    assert split(whole, size=size) == [Part(PartHead("a", ""), data + b"!"), Part(PartHead("", ""), b"")]


def test_a_body_with_crlf_keeps_what_looks_like_a_boundary_after_lf() -> None:
    assert split(b"--x\r\n\r\nabc\n--x\ndef\r\n--x--")[0].data == b"abc\n--x\ndef"


def test_headers_may_go_on_in_the_next_line() -> None:
    body = b'--x\r\nContent-Disposition: form-data;\r\n name="upload";\r\n\tfilename="car.jpg"\r\n\r\nabc\r\n--x--'
    assert split(body) == [Part(PartHead("upload", "car.jpg"), b"abc")]


@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [
        ("base64", b"S8O2\r\nbG4=", "Köln"),
        ("Quoted-Printable", b"K=C3=B6ln", "Köln"),
        ("8bit", "Köln".encode(), "Köln"),
        ("base64", "Köln!".encode(), "Köln!"),
    ],
)
def test_text_is_decoded_as_its_part_says(encoding: str, data: bytes, text: str) -> None:
    body = b"--x\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n--x--" % (encoding.encode(), data)
    (part,) = split(body)
    assert part.head.text(part.data) == text


def test_text_for_mail_readers_is_dropped() -> None:
    assert len(split(b"This is multipart.\r\n" + BODY + b"The end.")) == 2


@pytest.mark.parametrize("end", [b"", b"\r\n--x", b"\r\n--x-", b"\r\n--x\r\n"])
def test_the_last_boundary_may_be_missing(end: bytes) -> None:
    assert split(b"--x\r\n\r\nabc" + end)[0].data == b"abc"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (BODY + b"--x", None),
        (b" " * 9_500_000, "does not occur|too much text"),
        (b"--x" + b" " * 9_500_000, "does not occur|too much text"),
        (b"a" * 100_000 + b"\r\n" + BODY, "does not occur in the first 65536 bytes"),
        (BODY + b"a" * 100_000, "too much text outside"),
        (b"--x\r\nA: " + b"b" * 9_000 + b"\r\n\r\n", "headers of a part are too long"),
        (b"--x\r\nA: b\r\n", "ends within the headers"),
        (b"--x\r\n\r\n" + b"\r\n--xx" * 1_100, "boundary is part of"),
        (b"no boundary at all", "does not occur"),
    ],
)
def test_text_outside_the_parts_is_bounded(body: bytes, problem: str | None) -> None:
    if problem is None:
        split(body)
        return
    with pytest.raises(BadRequest, match=problem):
        split(body)


def test_one_part_too_many() -> None:
    with pytest.raises(BadRequest, match="more than 1 fields"):
        split(BODY, limit=1)


def test_a_boundary_that_is_too_long() -> None:
    with pytest.raises(BadRequest, match="more than 200 characters"):
        split(BODY, boundary=b"x" * 201)


@pytest.mark.parametrize(
    ("body", "content_type", "boundary"),
    [
        (b"", "multipart/form-data; boundary=declared", b"declared"),
        (BODY, "multipart/form-data; boundary=declared", b"declared"),
        (BODY, "multipart/form-data", b"x"),
        (BODY, "", b"x"),
        (b"--x\nContent-Disposition: form-data", "", b"x"),
        (b"upload=--x\r\n", "", None),
        (b"--" + b"x" * 300 + b"\r\n", "", None),
        (b"", "application/json; boundary=x", None),
    ],
)
def test_the_boundary_as_declared_or_as_the_body_begins(body: bytes, content_type: str, boundary: bytes | None) -> None:
    assert multipart.boundary(body, content_type) == boundary
