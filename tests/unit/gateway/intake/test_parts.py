"""The encodings a request may come in, each giving the same fields."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import weakref
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake import parts
from gateway.intake.parts import Parts, PartsReader
from gateway.intake.upload import SLICE
from platelane.errors import BadImage, BadRequest, RequestError, UploadTooLarge

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"\r\n--frontier" + bytes(range(255, -1, -1)) + b"\r\n"
TEXT = base64.b64encode(PICTURE)


def parse(body: bytes, content_type: str, size: int = SLICE) -> Parts:
    reader = PartsReader(content_type, 10_000_000)
    for start in range(0, len(body), size):
        reader.feed(body[start : start + size])
    return reader.finish()


def picture(form: Parts) -> bytes:
    assert form.upload
    return form.upload.picture()


def multipart(*each: tuple[str, bytes], boundary: str = "xYz-1", end: str = "--\r\n") -> bytes:
    lines = [f"--{boundary}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n" for headers, data in each]
    return b"".join(lines) + f"--{boundary}{end}".encode()


def field(name: str, more: str = "") -> str:
    return f'Content-Disposition: form-data; name="{name}"{more}'


FILE = (field("upload", '; filename="car.jpg"') + "\r\nContent-Type: image/jpeg", PICTURE)
REGIONS = (field("regions"), b"mx")
CAMERA_ID = "Einfahrt Süd 🚗"
CAMERA = (field("camera_id"), CAMERA_ID.encode())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=xYz-1", multipart(FILE, REGIONS, CAMERA)),
        ("multipart/form-data;boundary=xYz-1", multipart(REGIONS, CAMERA, FILE)),
        ('multipart/form-data; boundary="xYz-1"; charset=utf-8', multipart(REGIONS, FILE, CAMERA)),
        ("Multipart/Form-Data; BOUNDARY=xYz-1", multipart(FILE, REGIONS, CAMERA)),
        ("multipart/form-data; boundary=xYz-1", multipart(FILE, REGIONS, CAMERA, end="--")),
        ("multipart/form-data; boundary=xYz-1", b"\r\n" + multipart(FILE, REGIONS, CAMERA)),
        ("multipart/form-data", multipart(FILE, REGIONS, CAMERA)),
        ("", multipart(FILE, REGIONS, CAMERA)),
        ("text/plain", multipart((field("upload"), TEXT), REGIONS, CAMERA)),
        ("multipart/form-data; boundary=xYz-1", multipart((field("upload"), PICTURE), REGIONS, CAMERA)),
        ("multipart/form-data; boundary=xYz-1", multipart((field("Upload[]"), PICTURE), REGIONS, CAMERA)),
        (
            "application/x-www-form-urlencoded",
            urlencode({"regions": "mx", "upload": TEXT, "camera_id": CAMERA_ID}).encode(),
        ),
        (
            "application/x-www-form-urlencoded",
            b"upload=" + TEXT + b"&regions=mx&camera_id=" + quote(CAMERA_ID).encode(),
        ),
        ("", urlencode({"regions": "mx", "upload": TEXT, "camera_id": CAMERA_ID}).encode()),
        ("application/json", orjson.dumps({"upload": TEXT.decode(), "regions": "mx", "camera_id": CAMERA_ID})),
        ("", b"\xef\xbb\xbf " + orjson.dumps({"upload": TEXT.decode(), "regions": ["mx"], "camera_id": CAMERA_ID})),
        (
            "application/x-www-form-urlencoded",
            orjson.dumps({"camera_id": CAMERA_ID, "regions": ["mx"], "upload": TEXT.decode()}),
        ),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 64, 700, SLICE])
def test_every_encoding_gives_the_same_fields(content_type: str, body: bytes, size: int) -> None:
    form = parse(body, content_type, size)
    assert picture(form) == PICTURE
    assert form.values == {"regions": ["mx"], "camera_id": [CAMERA_ID]}


def test_a_picture_by_itself_is_the_upload() -> None:
    for content_type in ("image/jpeg", "application/x-www-form-urlencoded"):
        form = parse(PICTURE, content_type)
        assert (picture(form), form.filename, form.values) == (PICTURE, "", {})


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('; filename="car.jpg"', "car.jpg"),
        ("; filename=car.jpg", "car.jpg"),
        ('; filename="upload"', "upload"),
        (r'; filename="C:\Users\me\Desktop\car.jpg"', "car.jpg"),
        (r'; filename="C:\\Users\\me\\car.jpg"', "car.jpg"),
        ('; filename="/home/me/car.jpg"', "car.jpg"),
        ('; filename="příšerně žluťoučký.jpg"', "příšerně žluťoučký.jpg"),
        ("; filename*=utf-8''%C5%BElu%C5%A5.jpg", "žluť.jpg"),
        ("; filename=\"zlut.jpg\"; filename*=UTF-8''%C5%BElu%C5%A5.jpg", "žluť.jpg"),
        ("; filename=\"zlut.jpg\"; filename*=iso-8859-1'en'caf%E9.jpg", "café.jpg"),
        ("; filename*=ISO-8859-1''%C3%A9.jpg", "Ã©.jpg"),
        ("; filename*=windows-1251''%EA%EE%F2.jpg", "кот.jpg"),
        ("; filename*=\"utf-8''caf%C3%A9.jpg\"", "café.jpg"),
        ("; filename*=utf-8''caf%E9.jpg", "café.jpg"),
        ("; filename*=''caf%C3%A9.jpg", "café.jpg"),
        ("; filename*=caf%C3%A9.jpg", "café.jpg"),
        ("; filename*=no-charset''car.jpg", "car.jpg"),
        ("; filename*=iso-8859-99''car.jpg", "car.jpg"),
        ("; filename*=unicode_escape''%5Cu0041.jpg", "u0041.jpg"),
        ('; filename="=?utf-8?B?xb5sdcWlLmpwZw==?="', "žluť.jpg"),
        ('; filename="=?ISO-8859-1?q?caf=E9_1.jpg?="', "café 1.jpg"),
        ('; filename="=?utf-8?B?xb5s?.jpg"', "=?utf-8?B?xb5s?.jpg"),
        ('; filename="=?utf-8?B?x?="', "=?utf-8?B?x?="),
        ('; filename="a;b=c.jpg"', "a;b=c.jpg"),
        ('; filename=""', ""),
        ("", ""),
        ('; filename="' + "x" * 300 + '.jpg"', "x" * 196 + ".jpg"),
    ],
)
def test_file_names_are_bare(disposition: str, filename: str) -> None:
    body = multipart((field("upload", disposition), PICTURE))
    form = parse(body, "multipart/form-data; boundary=xYz-1")
    assert (picture(form), form.filename) == (PICTURE, filename)


def test_repeated_fields_keep_their_order() -> None:
    many = multipart(FILE, (field("regions"), b"mx"), (field("regions"), b"us-ca"), (field("mmc"), b"true"))
    assert parse(many, "").values == {"regions": ["mx", "us-ca"], "mmc": ["true"]}
    pairs = b"regions=mx&regions=us-ca&mmc=true"
    assert parse(pairs, "").values == {"regions": ["mx", "us-ca"], "mmc": ["true"]}
    document = b'{"regions": ["mx", "us-ca"], "mmc": true, "config": {"mode": "fast"}}'
    assert parse(document, "").values == {
        "regions": ["mx", "us-ca"],
        "mmc": [True],
        "config": [{"mode": "fast"}],
    }


def test_lists_the_way_php_and_javascript_name_them() -> None:
    pairs = b"regions%5B%5D=mx&regions[1]=us-ca"
    assert parse(pairs, "").values == {"regions": ["mx", "us-ca"]}


def test_the_last_value_counts_and_the_first_upload_with_bytes() -> None:
    form = parse(multipart((field("upload"), b""), FILE, (field("mmc"), b"0"), (field("mmc"), b"1")), "")
    assert picture(form) == PICTURE
    assert form.last("mmc") == "1"
    assert form.last("config") is None


def test_a_text_part_may_be_as_large_as_an_upload() -> None:
    large = b"\xff\xd8\xff" + bytes(4_000_000)
    form = parse(multipart((field("upload"), base64.encodebytes(large))), "multipart/form-data; boundary=xYz-1")
    assert picture(form) == large


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=other", multipart(FILE)),
        ("multipart/form-data; boundary=" + "x" * 300, multipart(FILE)),
        ("multipart/form-data; boundary=xYz-1", b"--xYz-1\r\nnot a header\r\n\r\n"),
        ("application/json", b'{"upload": '),
        ("application/json", b'{"upload": 17}'),
        ("", multipart(*[REGIONS] * (parts.MAX_PARTS + 1))),
        ("", b"&".join([b"regions=mx"] * (parts.MAX_PARTS + 1))),
        ("", orjson.dumps({f"field{number}": 1 for number in range(parts.MAX_PARTS + 1)})),
        ("", multipart(*[(field("regions"), b"a," * 10_000)] * 4)),
        ("", multipart(*[(field("regions", '; filename="a.txt"'), b"a," * 10_000)] * 4)),
        ("", b"regions=" + b"a," * 40_000),
        ("", orjson.dumps({"upload": TEXT.decode(), "regions": ["a,"] * 40_000})),
        ("", orjson.dumps({"upload": TEXT.decode(), "regions": [""] * 80_000})),
        ("", b"upload=" + b"%" * 20_000),
        ("", b"%" * 20_000),
        ("", b"camera_id=" + b"%41" * 20_000),
    ],
)
def test_bodies_that_are_broken_or_cost_too_much_are_bad_requests(content_type: str, body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse(body, content_type)


@pytest.mark.parametrize("data", [b"\xff" * 200_000, b"\xfe\x01\x7f" * 60_000, bytes(range(256)) * 800])
@pytest.mark.parametrize("line", [48, 64, 1_000_000])
def test_real_base64_has_few_escapes(data: bytes, line: int) -> None:
    """White pictures, which are all slashes, too."""
    image = b"\xff\xd8\xff" + data
    text = base64.b64encode(image)
    lines = b"\r\n".join(text[start : start + line] for start in range(0, len(text), line))
    for body in (urlencode({"upload": lines}), "upload=" + quote(lines, safe=""), "upload=" + quote(quote(lines))):
        for spelling in (body, body.replace("%2F", "%2f")):
            assert picture(parse(spelling.encode(), "")) == image


@pytest.mark.parametrize("size", [1, 7, 100, SLICE])
@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"upload": TEXT.decode(), "mmc": "true"}).replace("/", "\\/"),  # PHP
        json.dumps({"mmc": "true", "upload": TEXT.decode()}).replace("+", "\\u002B").replace("=", "\\u003D"),  # .NET
        json.dumps({"upload": base64.encodebytes(PICTURE).decode(), "mmc": "true"}),
        json.dumps({"upload": "data:image/jpeg;base64," + TEXT.decode(), "mmc": "true"}, indent=4),
        '{"upload"  :  "' + TEXT.decode() + '", "mmc": "true"}',
        '{"upload"' + " " * 50 + ':"' + TEXT.decode() + '", "mmc": "true"}',
        '{"\\u0075pload":"' + TEXT.decode() + '", "mmc": "true"}',
        '{"upload": "", "mmc": "true", "upload": "' + TEXT.decode() + '"}',
    ],
)
def test_json_as_libraries_write_it(body: str, size: int) -> None:
    form = parse(body.encode(), "application/json", size)
    assert (picture(form), form.values) == (PICTURE, {"mmc": ["true"]})


def test_an_upload_within_something_else_is_none() -> None:
    body = b'{"a\\"upload": "x", "config": {"upload": "x"}, "list": ["upload"], "upload": "' + TEXT + b'"}'
    form = parse(body, "")
    assert picture(form) == PICTURE
    assert form.values == {'a"upload': ["x"], "config": [{"upload": "x"}], "list": ["upload"]}


@pytest.mark.parametrize(
    ("error", "body"),
    [
        (BadRequest, b'{"upload": "' + TEXT),
        (BadRequest, b'{"upload": "a\\"b"}'),
        (BadRequest, b'{"upload": "", ' + b" " * 300_000 + b'"mmc": 1}'),
        (BadRequest, b'{"config": ' + b"[" * 300_000),
        (BadImage, b"\x00\x01\x02" * 100_000),
        (UploadTooLarge, b"\x00\x01\x02" * 4_000_000),
        (BadRequest, b'{"a": [' + b"[]," * 10_000 + b"1]}"),
        (BadRequest, b"{" + b'"upload": "",' * 20_000 + b'"a": 1}'),
    ],
)
def test_what_is_beside_the_upload_is_bounded_however_long(error: type[RequestError], body: bytes) -> None:
    with pytest.raises(error):
        picture(parse(body, ""))


def test_another_picture_beside_the_upload_is_ignored() -> None:
    form = parse(multipart(FILE, (field("thumbnail", '; filename="small.jpg"'), PICTURE * 200), REGIONS), "")
    assert (picture(form), form.values) == (PICTURE, {"regions": ["mx"]})


@pytest.mark.parametrize("body", [b"", b"[1, 2]", b"null", b"hello", b"--", b"=&=&", b"%", b"--\r\n"])
def test_other_bodies_hold_no_upload(body: bytes) -> None:
    assert parse(body, "").upload is None


@pytest.mark.parametrize("body", [b"[1, 2]", b"null", b"hello", b"// a comment\n{}"])
def test_a_body_that_should_be_json_and_is_not_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="The body is not a JSON object, such as"):
        parse(body, "application/json; charset=utf-8")
    assert parse(b"", "application/json").upload is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_only_utf_8_is_accepted(encoding: str) -> None:
    with pytest.raises(BadRequest, match="UTF-16 or UTF-32"):
        parse(json.dumps({"upload": TEXT.decode()}).encode(encoding), "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"Upload": "' + TEXT + b'"}',
        b'{"UPLOAD" : "' + TEXT + b'"}',
        b"Upload=" + TEXT,
        b"upload[]=" + TEXT,
        b"%75pload%5B0%5D=" + TEXT,
        b"\xef\xbb\xbfupload=" + TEXT,
    ],
)
def test_the_name_of_the_upload_in_other_spellings(body: bytes) -> None:
    assert picture(parse(body, "", size=7)) == PICTURE


@pytest.mark.parametrize("upload", [[TEXT.decode() * 400], {"data": TEXT.decode() * 400}, [TEXT.decode()], 17])
def test_an_upload_that_is_no_text_is_called_so_however_long(upload: object) -> None:
    with pytest.raises(BadRequest, match="In JSON, upload must be a string of base64"):
        parse(orjson.dumps({"upload": upload}), "application/json")


def test_a_problem_behind_the_upload_has_no_position_without_it() -> None:
    with pytest.raises(BadRequest, match=r"not valid JSON: unexpected end of data behind upload\.$"):
        parse(b'{"upload": "' + TEXT + b'", "mmc": true', "application/json")
    with pytest.raises(BadRequest, match=r"line 1 column 6 \(char 5\)\.$"):
        parse(b'{"a":x, "upload": "' + TEXT + b'"}', "application/json")


def test_a_large_part_without_a_name_is_no_field() -> None:
    form = parse(multipart(REGIONS, ("Content-Type: image/jpeg", PICTURE * 200)), "multipart/form-data; boundary=xYz-1")
    assert (form.upload, form.values) == (None, {"regions": ["mx"]})


def latin(length: int) -> st.SearchStrategy[str]:
    """Any header value."""
    return st.text(st.characters(codec="latin-1"), max_size=length)


WHOLE = multipart(FILE, REGIONS, CAMERA)


@given(
    position=st.integers(0, len(WHOLE)),
    length=st.integers(0, 80),
    noise=st.binary(max_size=40),
    content_type=st.sampled_from(["", "multipart/form-data; boundary=xYz-1", "application/json"]) | latin(60),
)
def test_a_damaged_form_never_raises_anything_else(position: int, length: int, noise: bytes, content_type: str) -> None:
    body = WHOLE[:position] + noise + WHOLE[position + length :]
    with contextlib.suppress(RequestError):
        form = parse(body, content_type)
        if form.upload:
            form.upload.picture()


@given(st.binary(max_size=200), latin(40))
def test_any_bytes_never_raise_anything_else(body: bytes, content_type: str) -> None:
    with contextlib.suppress(RequestError):
        parse(body, content_type)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/jpeg", PICTURE),
        ("multipart/form-data; boundary=xYz-1", multipart(REGIONS, FILE, FILE, CAMERA)),
        ("application/json", json.dumps({"upload": TEXT.decode(), "regions": ["mx"]}).encode()),
        ("application/x-www-form-urlencoded", urlencode({"regions": "mx", "upload": TEXT}).encode()),
    ],
)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_an_upload_goes_with_its_reader(content_type: str, body: bytes, share: float) -> None:
    """Without the garbage collector, which may not run for minutes."""
    gc.collect()
    gc.disable()
    try:
        reader = PartsReader(content_type, 10_000_000)
        reader.feed(body[: int(share * len(body))])
        upload = weakref.ref(reader._upload)
        if share == 1.0:
            assert picture(reader.finish()) == PICTURE
        del reader
        assert upload() is None
    finally:
        gc.enable()
