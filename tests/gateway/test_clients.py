"""Requests as clients in the field put them together, byte by byte, and the ways in which they read the answers.

None of them is a library's default that another test sends already: each has a habit that a server can stumble over.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from .conftest import BROKEN_CAMERA, Gateway, NatsServer, digest, running_gateway
from .test_http import Answer, chunked, connected

PATH = "/v1/plate-reader/"


@dataclass(frozen=True)
class Sent:
    """A request, and what of the answer shows that all of it was understood."""

    body: bytes
    content_type: str
    expected: dict[str, Any] = field(default_factory=dict)
    region: str = "unknown"
    path: str = PATH
    headers: tuple[str, ...] = ()
    version: str = "1.1"
    chunk: int = 0
    """Bytes of a chunk; 0 for a body with Content-Length."""

    def bytes(self) -> bytes:
        length = "Transfer-Encoding: chunked" if self.chunk else f"Content-Length: {len(self.body)}"
        lines = [f"POST {self.path} HTTP/{self.version}", "Host: 127.0.0.1:8080", *self.headers]
        lines += [f"Content-Type: {self.content_type}", length, "", ""]
        body = b"".join(chunked(self.body, self.chunk)) if self.chunk else self.body
        return "\r\n".join(lines).encode("latin-1") + body


def parts(boundary: str, *each: tuple[str, bytes]) -> bytes:
    """Parts with their headers, in the order given."""
    sent = [f"--{boundary}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n" for headers, data in each]
    return b"".join(sent) + f"--{boundary}--\r\n".encode()


def net_http_client(picture: bytes) -> Sent:
    """.NET's MultipartFormDataContent: a quoted boundary, names without quotes, two file names, types on texts."""
    body = parts(
        "d7a3f0c2-5d1e-4c57-8a55-8d1b5f1f9a01",
        ("Content-Disposition: form-data; name=upload; filename=car.jpg; filename*=utf-8''%C5%BElu%C5%A5.jpg", picture),
        ("Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=regions", b"us-ca"),
        (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=camera_id",
            "Tor Süd".encode(),
        ),
    )
    content_type = 'multipart/form-data; boundary="d7a3f0c2-5d1e-4c57-8a55-8d1b5f1f9a01"'
    return Sent(body, content_type, {"filename": "žluť.jpg", "camera_id": "Tor Süd"}, "us-ca")


def net_web_request(picture: bytes) -> Sent:
    """Made by hand in C#: a boundary that begins with dashes, a Windows path, the file first, Expect."""
    boundary = "----------6f9619ff8b86d011b42d00c04fc964ff"
    file = 'Content-Disposition: form-data; name="upload"; filename="C:\\Users\\me\\Pictures\\car 1.jpg"'
    body = parts(
        boundary,
        (f"{file}\r\nContent-Type: application/octet-stream", picture),
        ('Content-Disposition: form-data; name="regions"', b"mx"),
        ('Content-Disposition: form-data; name="regions"', b"us-ca"),
    )
    headers = ("User-Agent: .NET Framework CSharp Client", "Authorization: Token x", "Expect: 100-continue")
    return Sent(body, f"multipart/form-data; boundary={boundary}", {"filename": "car 1.jpg"}, "mx", headers=headers)


def dart_http(picture: bytes) -> Sent:
    """Lower-case headers in the parts, a transfer encoding, texts before the file."""
    body = parts(
        "dart-http-boundary-xY1.+_,Zz",
        (
            'content-disposition: form-data; name="camera_id"\r\n'
            "content-type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: binary",
            "Süd".encode(),
        ),
        ('content-disposition: form-data; name="mmc"', b"true"),
        (
            'content-type: application/octet-stream\r\ncontent-disposition: form-data; name="upload"; '
            'filename="image_picker_1.jpg"',
            picture,
        ),
    )
    content_type = "multipart/form-data; boundary=dart-http-boundary-xY1.+_,Zz"
    return Sent(body, content_type, {"camera_id": "Süd", "filename": "image_picker_1.jpg"})


def java_browser_compatible(picture: bytes) -> Sent:
    """No space before the boundary; the part's type comes before its name."""
    file = 'Content-Disposition: form-data; name="upload"; filename="Soren1.jpg"\r\nContent-Transfer-Encoding: binary'
    body = parts("kAbC_1-2", (f"Content-Type: application/octet-stream\r\n{file}", picture))
    return Sent(body, "multipart/form-data;boundary=kAbC_1-2;charset=UTF-8", {"filename": "Soren1.jpg"})


def swift_list_as_text(picture: bytes) -> Sent:
    """A list of regions written as JSON into a text field; the file last."""
    body = parts(
        "E5D1B0AA-0F6B-4E0A-9C1C-8C7C1B0A2F11",
        ('Content-Disposition: form-data; name="regions"', b'["us-pa", "us-nj"]'),
        ('Content-Disposition: form-data; name="upload"; filename="frame.jpg"\r\nContent-Type: image/jpeg', picture),
    )
    content_type = "multipart/form-data; boundary=E5D1B0AA-0F6B-4E0A-9C1C-8C7C1B0A2F11"
    return Sent(body, content_type, {"filename": "frame.jpg"}, "us-pa")


def microcontroller(picture: bytes) -> Sent:
    """A camera board: few headers, none that names a client, and a boundary of dashes."""
    body = parts(
        "---0123456789ABCDEF",
        ('Content-Disposition: form-data; name="upload"; filename="placa.jpg"\r\nContent-Type: image/jpeg', picture),
    )
    headers = ("Authorization: Token x ",)
    return Sent(body, "multipart/form-data; boundary=---0123456789ABCDEF", {"filename": "placa.jpg"}, headers=headers)


def frigate(picture: bytes) -> Sent:
    """No slash at the end, no file name of its own, a token that nobody asks for."""
    body = parts("0b1f2e", ('Content-Disposition: form-data; name="upload"; filename="upload"', picture))
    headers = ("Authorization: Token xxxxxxxxxx", "Accept-Encoding: gzip, deflate", "Accept: */*")
    content_type = "multipart/form-data; boundary=0b1f2e"
    return Sent(body, content_type, {"filename": "upload"}, path="/v1/plate-reader", headers=headers)


def home_assistant(picture: bytes) -> Sent:
    """A base address with a slash at its end, rules that say False, and Python's True."""
    body = parts(
        "5c6d7e",
        ('Content-Disposition: form-data; name="regions"', b"us-ca"),
        ('Content-Disposition: form-data; name="regions"', b""),
        ('Content-Disposition: form-data; name="mmc"', b"True"),
        ('Content-Disposition: form-data; name="config"', b'{"detection_rule":"False","region":"False"}'),
        ('Content-Disposition: form-data; name="camera_id"', b"camera.front"),
        ('Content-Disposition: form-data; name="upload"; filename="image.jpg"', picture),
    )
    content_type = "multipart/form-data; boundary=5c6d7e"
    return Sent(body, content_type, {"camera_id": "camera.front"}, "us-ca", path="//v1/plate-reader/")


def node_red(picture: bytes) -> Sent:
    """Base64 in a text field, camera and time as text, chunked because the length is not known before."""
    boundary = "--------------------------735323031399963166993862"
    body = parts(
        boundary,
        ('Content-Disposition: form-data; name="upload"', base64.b64encode(picture)),
        ('Content-Disposition: form-data; name="mmc"', b"false"),
        ('Content-Disposition: form-data; name="camera_id"', b"7"),
        ('Content-Disposition: form-data; name="timestamp"', b"2024-10-24T17:29:26.000Z"),
    )
    expected = {"camera_id": "7", "timestamp": "2024-10-24 17:29:26.000000", "filename": "upload.jpg"}
    return Sent(body, f"multipart/form-data; boundary={boundary}", expected, chunk=4_096)


def micropython(picture: bytes) -> Sent:
    """HTTP/1.0 and a form whose values are not escaped at all."""
    body = b"upload=" + base64.b64encode(picture) + b"&regions=ar&mmc=0"
    return Sent(body, "application/x-www-form-urlencoded", region="ar", version="1.0")


def ruby_post_form(picture: bytes) -> Sent:
    """Base64 in lines, escaped."""
    body = b"upload=" + quote(base64.encodebytes(picture), safe="").encode() + b"&camera_id=Tor+S%C3%BCd"
    return Sent(body, "application/x-www-form-urlencoded", {"camera_id": "Tor Süd"})


def php_arrays(picture: bytes) -> Sent:
    """Lists as PHP names them, chunked with Expect."""
    body = parts(
        "------------------------9a3c1f",
        ('Content-Disposition: form-data; name="regions[0]"', b"fr"),
        ('Content-Disposition: form-data; name="regions[1]"', b"it"),
        ('Content-Disposition: form-data; name="upload"; filename="exa.jpg"\r\nContent-Type: image/jpeg', picture),
    )
    content_type = "multipart/form-data; boundary=------------------------9a3c1f"
    return Sent(body, content_type, {"filename": "exa.jpg"}, "fr", headers=("Expect: 100-continue",), chunk=1_000)


def mail_library(picture: bytes) -> Sent:
    """Made with what is meant for mail: text before the first part and after the last, base64 in lines for the file."""
    file = 'Content-Disposition: form-data; name="upload"; filename="car.jpg"\r\nMIME-Version: 1.0'
    body = parts(
        "===============7330845974216740156==",
        ("Content-Type: text/plain\r\nContent-Disposition: form-data; name=regions", b"de"),
        (f"Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n{file}", base64.encodebytes(picture)),
    )
    body = b"This is a multi-part message in MIME format.\r\n\r\n" + body + b"\r\nThe end.\r\n"
    content_type = 'multipart/form-data; boundary="===============7330845974216740156=="'
    return Sent(body, content_type, {"filename": "car.jpg"}, "de")


def page_that_sets_the_type(picture: bytes) -> Sent:
    """A script that sets the type by hand, and so loses the boundary that only the browser knows."""
    body = parts(
        "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ('Content-Disposition: form-data; name="upload"; filename="blob"\r\nContent-Type: image/jpeg', picture),
        ('Content-Disposition: form-data; name="regions"', b"us-ca"),
    )
    headers = ("Origin: https://parking.example", "Sec-Fetch-Mode: cors")
    return Sent(body, "multipart/form-data", {"filename": "blob"}, "us-ca", headers=headers)


def react_native(picture: bytes) -> Sent:
    """JSON with a data: address, a type with a character set, and names that nobody knows."""
    text = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    document = {"upload": text, "regions": ["co"], "mmc": True, "config": {"mode": "fast"}, "camera_id": None, "x": [1]}
    return Sent(json.dumps(document).encode(), "application/json; charset=utf-8", {"camera_id": None}, "co")


def node_request(picture: bytes) -> Sent:
    """JSON in chunks, to the path without a slash."""
    body = json.dumps({"upload": base64.b64encode(picture).decode(), "mmc": True}).encode()
    return Sent(body, "application/json", path="/v1/plate-reader", chunk=16_384)


CLIENTS: list[Callable[[bytes], Sent]] = [
    net_http_client,
    net_web_request,
    dart_http,
    java_browser_compatible,
    swift_list_as_text,
    microcontroller,
    frigate,
    home_assistant,
    node_red,
    micropython,
    ruby_post_form,
    php_arrays,
    mail_library,
    page_that_sets_the_type,
    react_native,
    node_request,
]


def answered(gateway: Gateway, sent: Sent) -> Answer:
    with connected(gateway) as connection:
        connection.send(sent.bytes())
        answer = connection.answer()
        return connection.answer() if answer.status == 100 else answer


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_client_of_the_field_is_understood(gateway: Gateway, picture: bytes, client: Callable[[bytes], Sent]) -> None:
    sent = client(picture)
    answer = answered(gateway, sent)
    assert answer.status == 200, answer
    body = answer.json()
    assert [each["plate"] for each in body["results"]] == [digest(picture)]
    assert body["results"][0]["region"]["code"] == sent.region
    assert {key: body[key] for key in sent.expected} == sent.expected


def test_a_camera_board_reads_the_answer_as_text(gateway: Gateway, picture: bytes) -> None:
    """It looks for the first plate, and for the last score before its candidates; blanks would mislead it."""
    text = answered(gateway, microcontroller(picture)).body.decode()
    start = text.index('"plate":"') + len('"plate":"')
    assert text[start : text.index('"', start)] == digest(picture)
    score = text.rindex('"score":', 0, text.index('"candidates":', start)) + len('"score":')
    assert text[score : text.index(",", score)] == "0.8"


def test_a_typed_client_finds_the_types_it_declares(gateway: Gateway, picture: bytes) -> None:
    """Whole numbers for boxes, calls and the version, numbers for scores and the time, text that is never null."""
    body = answered(gateway, dart_http(picture)).json()
    assert type(body["processing_time"]) is float
    assert type(body["version"]) is type(body["usage"]["calls"]) is type(body["usage"]["max_calls"]) is int
    assert all(type(body[key]) is str for key in ("filename", "timestamp", "camera_id"))
    [result] = body["results"]
    first = ["box", "plate", "region", "score", "candidates", "dscore", "vehicle", "model_make", "color", "orientation"]
    assert list(result)[: len(first)] == first
    for box in (result["box"], result["vehicle"]["box"]):
        assert list(box) == ["xmin", "ymin", "xmax", "ymax"]
        assert all(type(side) is int for side in box.values())
    for score in (result["score"], result["dscore"], result["region"]["score"], result["vehicle"]["score"]):
        assert type(score) is float
    assert result["vehicle"] == {
        "score": 0.0,
        "type": "Unknown",
        "box": {"xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0},
    }
    assert result["model_make"] == [{"make": "generic", "model": "Unknown", "score": 0.0}]
    assert result["color"] == [{"color": "unknown", "score": 0.0}]
    assert result["orientation"] == [{"orientation": "Unknown", "score": 0.0}]


def test_a_client_may_name_every_region_in_a_field_of_its_own(client: httpx.Client, picture: bytes) -> None:
    codes = [entry["code"] for entry in client.get("/v1/regions/").json()["regions"]]
    assert len(codes) > 200
    response = client.post(PATH, data={"regions": codes}, files={"upload": picture})
    assert response.status_code == 200
    assert response.json()["results"][0]["region"]["code"] == codes[0]


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies_are_inflated_within_the_limit(
    client: httpx.Client, picture: bytes, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    document = json.dumps({"upload": base64.b64encode(picture).decode(), "regions": ["us-ca"]}).encode()
    headers = {"Content-Encoding": encoding}
    for body in (document, picture):
        response = client.post(PATH, content=compress(body), headers=headers)
        assert response.status_code == 200
        assert response.json()["results"][0]["plate"] == digest(picture)
    assert client.post(PATH, content=compress(bytes(60_000_000)), headers=headers).status_code == 413
    assert client.post(PATH, content=compress(document)[:-9], headers=headers).status_code == 400
    zones = client.put("/v1/zones/packed", content=compress(b'{"zones": []}'), headers=headers)
    assert zones.status_code == 200


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_other_compressions_are_refused_by_name(client: httpx.Client, picture: bytes, encoding: str) -> None:
    response = client.post(PATH, content=picture, headers={"Content-Encoding": encoding})
    assert response.status_code == 415
    assert encoding in response.json()["error"]
    assert response.headers["accept-encoding"] == "gzip, deflate"


def test_nothing_is_compressed_for_clients_that_cannot_undo_it(gateway: Gateway, picture: bytes) -> None:
    answer = answered(gateway, frigate(picture))
    assert "content-encoding" not in answer.headers
    assert len(answer.body) < 16_000


@pytest.mark.parametrize(
    "request_line", ["POST /v1/plate-reader/ HTTP/1.1", "POST /v1/plate-reader HTTP/1.0", "POST /alpr HTTP/1.1"]
)
@pytest.mark.parametrize("length", [(), ("Content-Length: 0",)])
def test_an_installer_that_sends_nothing_finds_the_server(
    gateway: Gateway, request_line: str, length: tuple[str, ...]
) -> None:
    """Urllib's request without data has no length at all, others say 0."""
    with connected(gateway) as connection:
        connection.send("\r\n".join([request_line, "Host: localhost:8080", *length, "", ""]).encode())
        answer = connection.answer()
    assert answer.status == 200
    assert answer.json()["error"]


@pytest.mark.parametrize(("authorization", "status"), [("", 403), ("Token wrong", 403), ("Token secret", 200)])
def test_in_the_cloud_nothing_is_said_to_whom_has_no_token(cloud: Gateway, authorization: str, status: int) -> None:
    with cloud.client() as client:
        response = client.post(PATH, headers={"Authorization": authorization} if authorization else {})
    assert response.status_code == status
    assert response.json()["error"]


@pytest.mark.parametrize("authorization", ["Token abc", "Token", "Basic dXNlcjpwYXNz", "anything at all", "\xff"])
def test_on_premise_any_token_will_do(client: httpx.Client, picture: bytes, authorization: str) -> None:
    headers = [(b"Authorization", authorization.encode("latin-1"))]
    for response in (
        client.post(PATH, files={"upload": picture}, headers=headers),
        client.get("/info/", headers=headers),
        client.get("/v1/statistics/", headers=headers),
    ):
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("2021-11-23 17:56:47.896406", "2021-11-23 17:56:47.896406"),
        ("2021-11-23T17:56:47+00:00", "2021-11-23 17:56:47.000000"),
        ("2021-11-23T17:56:47 02:00", "2021-11-23 15:56:47.000000"),
    ],
)
def test_times_as_clients_write_them(client: httpx.Client, picture: bytes, sent: str, echoed: str) -> None:
    response = client.post(PATH, data={"timestamp": sent}, files={"upload": picture})
    assert response.json()["timestamp"] == echoed


@pytest.fixture(scope="module")
def large(picture: bytes) -> bytes:
    """As large as uploads may be by default in the cloud."""
    return picture + bytes(6_000_000 - len(picture))


@pytest.fixture(scope="module")
def cloud_client(served: NatsServer) -> Iterator[httpx.Client]:
    """One whose token has no rate."""
    with running_gateway(served, profile="cloud", tokens="t", rate_limit=0) as gateway, gateway.client() as client:
        client.headers["Authorization"] = "Token t"
        yield client


@pytest.mark.parametrize("excess", [0, 1], ids=["at the limit", "over it"])
def test_the_default_limit_is_the_same_in_every_encoding(cloud_client: httpx.Client, large: bytes, excess: int) -> None:
    """Form parsers tend to have lower ones of their own for texts."""
    upload = large + bytes(excess)
    text = base64.b64encode(upload).decode()
    client = cloud_client
    for response in (
        client.post(PATH, files={"upload": ("car.jpg", upload)}),
        client.post(PATH, files={"upload": (None, text)}),
        client.post(PATH, files={"upload": (None, base64.encodebytes(upload))}),
        client.post(PATH, data={"upload": text}),
        client.post(PATH, json={"upload": text}),
        client.post(PATH, content=upload),
    ):
        assert response.status_code == (413 if excess else 201), response.text
        body = response.json()
        assert body["error"] if excess else body["results"][0]["plate"] == digest(upload)


def test_on_premise_a_picture_may_have_32_megabytes(client: httpx.Client, picture: bytes) -> None:
    """A 4K PNG, a bitmap of full HD, what a camera of twelve megapixels takes: the server on-premise has no limit."""
    upload = picture + bytes(32_000_000 - len(picture))
    for response in (
        client.post(PATH, content=upload),
        client.post(PATH, json={"upload": base64.b64encode(upload).decode()}),
    ):
        assert response.json()["results"][0]["plate"] == digest(upload)
    refused = client.post(PATH, files={"upload": upload + b"0"})
    assert refused.status_code == 413
    assert "32000000" in refused.json()["error"]


def test_what_is_too_large_is_that_before_it_is_no_picture(cloud_client: httpx.Client) -> None:
    client = cloud_client
    junk = b"\x00\x01\x02" * 2_333_334
    for response in (
        client.post(PATH, files={"upload": ("video.mp4", junk)}),
        client.post(PATH, files={"upload": (None, b"%" + b"x" * len(junk))}),
        client.post(PATH, content=junk),
        client.post("/v1/blur/", files={"upload": ("video.mp4", junk)}),
    ):
        assert response.status_code == 413
        assert "limit" in response.json()["error"]


@pytest.mark.parametrize("content_type", ["application/pdf", "video/mp4", "text/html", "application/xml", "a", "*/*"])
def test_no_type_is_unsupported(client: httpx.Client, picture: bytes, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert client.post(PATH, content=picture, headers=headers).status_code == 200
    assert client.post(PATH, content=b"no picture", headers=headers).status_code == 400


@pytest.fixture(scope="module")
def cloud(served: NatsServer) -> Iterator[Gateway]:
    with running_gateway(served, profile="cloud", tokens="secret") as gateway:
        yield gateway


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_in_the_cloud_each_client_is_asked_for_its_token(
    cloud: Gateway, picture: bytes, client: Callable[[bytes], Sent]
) -> None:
    answer = answered(cloud, client(picture))
    assert answer.status == 403
    assert answer.json() == {"detail": "Invalid token.", "error": "Invalid token.", "status_code": 403}


def test_the_clouds_answer_is_that_of_the_server_but_for_name_and_time(cloud: Gateway, picture: bytes) -> None:
    with cloud.client() as client:
        headers = {"Authorization": "Token secret"}
        response = client.post(PATH, files={"upload": ("car.jpg", picture)}, headers=headers)
    assert response.status_code == 201
    body = response.json()
    first = ["processing_time", "results", "filename", "version", "camera_id", "timestamp", "usage"]
    assert list(body)[: len(first)] == first
    assert body["version"] == 1
    assert body["usage"]["calls"] >= 1
    assert body["usage"]["max_calls"] == 1_000_000
    assert re.fullmatch(r"([01]\d|2[0-3])[0-5]\d_[A-Za-z0-9]{5}_car\.jpg", body["filename"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["timestamp"])


def test_errors_tell_each_kind_of_client_what_is_wrong(client: httpx.Client, cloud: Gateway, picture: bytes) -> None:
    """Some read `detail`, others `error`, and all of them JSON with a length."""
    with cloud.client() as other:
        for response, status in (
            (client.post(PATH, data={"camera_id": BROKEN_CAMERA}, files={"upload": picture}), 400),
            (client.post(PATH, data={"regions": "mx"}), 400),
            (other.post(PATH, files={"upload": picture}), 403),
            (client.get("/v1/plate-reader/car"), 404),
            (client.get(PATH), 405),
            (client.post(PATH, content=bytes(50_000_000)), 413),
        ):
            assert response.status_code == status
            assert response.headers["content-type"] == "application/json"
            assert int(response.headers["content-length"]) == len(response.content)
            body = response.json()
            assert body["detail"] == body["error"] != ""
            assert body["status_code"] == status
