"""The encodings a request may come in, each giving the same fields."""

from __future__ import annotations

import base64
import contextlib
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import forms, pictures
from gateway.forms import Form
from platelane.errors import BadRequest, RequestError

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"\r\n--frontier" + bytes(range(255, -1, -1)) + b"\r\n"
TEXT = base64.b64encode(PICTURE)


def multipart(*parts: tuple[str, bytes], boundary: str = "xYz-1", end: str = "--\r\n") -> bytes:
    lines = [f"--{boundary}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n" for headers, data in parts]
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
def test_every_encoding_gives_the_same_fields(content_type: str, body: bytes) -> None:
    form = forms.parse(body, content_type)
    assert form.upload is not None
    assert pictures.decode_upload(form.upload) == PICTURE
    assert form.values == {"regions": ["mx"], "camera_id": [CAMERA_ID]}


def test_a_picture_by_itself_is_the_upload() -> None:
    assert forms.parse(PICTURE, "image/jpeg") == Form(upload=PICTURE)
    assert forms.parse(PICTURE, "application/x-www-form-urlencoded") == Form(upload=PICTURE)


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
        ('; filename="a;b=c.jpg"', "a;b=c.jpg"),
        ('; filename=""', ""),
        ("", ""),
        ('; filename="' + "x" * 300 + '.jpg"', "x" * 196 + ".jpg"),
    ],
)
def test_file_names_are_bare(disposition: str, filename: str) -> None:
    body = multipart((field("upload", disposition), PICTURE))
    form = forms.parse(body, "multipart/form-data; boundary=xYz-1")
    assert (form.upload, form.filename) == (PICTURE, filename)


def test_repeated_fields_keep_their_order() -> None:
    many = multipart(FILE, (field("regions"), b"mx"), (field("regions"), b"us-ca"), (field("mmc"), b"true"))
    assert forms.parse(many, "").values == {"regions": ["mx", "us-ca"], "mmc": ["true"]}
    pairs = b"regions=mx&regions=us-ca&mmc=true"
    assert forms.parse(pairs, "").values == {"regions": ["mx", "us-ca"], "mmc": ["true"]}
    document = b'{"regions": ["mx", "us-ca"], "mmc": true, "config": {"mode": "fast"}}'
    assert forms.parse(document, "").values == {
        "regions": ["mx", "us-ca"],
        "mmc": [True],
        "config": [{"mode": "fast"}],
    }


def test_lists_the_way_php_and_javascript_name_them() -> None:
    pairs = b"regions%5B%5D=mx&regions[1]=us-ca"
    assert forms.parse(pairs, "").values == {"regions": ["mx", "us-ca"]}


def test_the_last_value_counts_and_the_first_upload_with_bytes() -> None:
    form = forms.parse(multipart((field("upload"), b""), FILE, (field("mmc"), b"0"), (field("mmc"), b"1")), "")
    assert form.upload == PICTURE
    assert form.last("mmc") == "1"
    assert form.last("config") is None


def test_a_text_part_may_be_as_large_as_an_upload() -> None:
    large = base64.encodebytes(b"\xff\xd8\xff" + bytes(4_000_000))
    form = forms.parse(multipart((field("upload"), large)), "multipart/form-data; boundary=xYz-1")
    assert form.upload == large


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=other", multipart(FILE)),
        ("multipart/form-data; boundary=" + "x" * 300, multipart(FILE)),
        ("multipart/form-data; boundary=xYz-1", b"--xYz-1\r\nnot a header\r\n\r\n"),
        ("application/json", b'{"upload": '),
        ("application/json", b'{"upload": 17}'),
        ("application/json", b'{"upload": "\xff"}'),
        ("", multipart(*[REGIONS] * (forms.MAX_FIELDS + 1))),
        ("", b"&".join([b"regions=mx"] * (forms.MAX_FIELDS + 1))),
        ("", orjson.dumps({f"field{number}": 1 for number in range(forms.MAX_FIELDS + 1)})),
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
        forms.parse(body, content_type)


@pytest.mark.parametrize("data", [b"\xff" * 200_000, b"\xfe\x01\x7f" * 60_000, bytes(range(256)) * 800])
@pytest.mark.parametrize("line", [48, 64, 1_000_000])
def test_real_base64_has_few_escapes(data: bytes, line: int) -> None:
    """White pictures, which are all slashes, too."""
    picture = b"\xff\xd8\xff" + data
    text = base64.b64encode(picture)
    lines = b"\r\n".join(text[start : start + line] for start in range(0, len(text), line))
    for body in (urlencode({"upload": lines}), "upload=" + quote(lines, safe=""), "upload=" + quote(quote(lines))):
        for spelling in (body, body.replace("%2F", "%2f")):
            upload = forms.parse(spelling.encode(), "").upload
            assert pictures.decode_upload(upload or b"") == picture


def test_another_picture_beside_the_upload_is_ignored() -> None:
    form = forms.parse(multipart(FILE, (field("thumbnail", '; filename="small.jpg"'), PICTURE * 200), REGIONS), "")
    assert (form.upload, form.values) == (PICTURE, {"regions": ["mx"]})


@pytest.mark.parametrize("body", [b"", b"[1, 2]", b"null", b"hello", b"--", b"=&=&", b"%", b"--\r\n"])
def test_other_bodies_hold_no_upload(body: bytes) -> None:
    assert forms.parse(body, "application/json").upload is None


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
        form = forms.parse(body, content_type)
        pictures.decode_upload(form.upload or b"")


@given(st.binary(max_size=200), latin(40))
def test_any_bytes_never_raise_anything_else(body: bytes, content_type: str) -> None:
    with contextlib.suppress(RequestError):
        forms.parse(body, content_type)
