"""Which representation of a file or of `/` a client gets."""

from __future__ import annotations

import gzip

import pytest
from starlette.requests import Request

from gateway.http.static_files import REVALIDATE, StaticFile, accepts_gzip, prefers_html

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (CHROME, True),
        ("text/html", True),
        ("TEXT/HTML; charset=utf-8", True),
        ("application/json;q=0.5, text/html;q=0.9", True),
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json, text/plain, */*", False),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0", False),
        ("text/html;q=none", False),
        (";;,,;q=", False),
    ],
)
def test_who_names_html_first_gets_the_page(accept: str, html: bool) -> None:
    assert prefers_html({"accept": accept}) is html


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip, deflate, br", True), ("br;q=1.0, gzip;q=0.5", True), ("", False), ("br", False), ("gzip;q=0", False)],
)
def test_gzip_is_for_those_who_take_it(accepted: str, compressed: bool) -> None:
    assert accepts_gzip({"accept-encoding": accepted}) is compressed


def asked(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def test_a_file_is_sent_once_and_then_named() -> None:
    file = StaticFile(b"let plate;\n" * 100, ".js")
    first = file.response(asked(accept_encoding="gzip"), REVALIDATE)
    assert first.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(first.body)) == file.content
    assert first.headers["vary"] == "Accept-Encoding"
    again = file.response(asked(if_none_match=first.headers["etag"]), REVALIDATE)
    assert (again.status_code, bytes(again.body)) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert file.response(asked(if_none_match='W/"another"'), REVALIDATE).status_code == 200


def test_pictures_are_compressed_already() -> None:
    assert (
        "content-encoding"
        not in StaticFile(b"\xff\xd8" * 500, ".jpg").response(asked(accept_encoding="gzip"), REVALIDATE).headers
    )
