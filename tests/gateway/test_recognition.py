"""Every encoding of a request over real HTTP: the same picture reaches the workers, and the same answer comes back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from .conftest import EMPTY_CAMERA, digest, encoded

PATH = "/v1/plate-reader/"
KEYS = ["processing_time", "results", "filename", "version", "camera_id", "timestamp", "usage"]


def multipart(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post(PATH, files={"upload": ("car.jpg", picture, "image/jpeg")})


def multipart_wrong_type(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post(PATH, files={"upload": ("car.txt", picture, "text/html")})


def multipart_base64(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post(PATH, files={"upload": (None, base64.b64encode(picture))})


def multipart_data_address_in_lines(client: httpx.Client, picture: bytes) -> httpx.Response:
    text = "data:image/jpeg;base64," + base64.encodebytes(picture).decode()
    return client.post(PATH, files={"upload": (None, text)})


def urlencoded(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post(PATH, data={"upload": base64.b64encode(picture).decode()})


def urlencoded_unescaped(client: httpx.Client, picture: bytes) -> httpx.Response:
    body = b"upload=" + base64.b64encode(picture)
    return client.post(PATH, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})


def urlencoded_with_spaces(client: httpx.Client, picture: bytes) -> httpx.Response:
    body = b"upload=" + base64.b64encode(picture).replace(b"+", b"%20")
    return client.post(PATH, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})


def json_body(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post(PATH, json={"upload": base64.b64encode(picture).decode()})


def json_body_declared_as_a_form(client: httpx.Client, picture: bytes) -> httpx.Response:
    body = json.dumps({"upload": base64.b64encode(picture).decode()})
    return client.post(PATH, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})


def json_both_uploads(client: httpx.Client, picture: bytes) -> httpx.Response:
    fields = {"upload": base64.b64encode(picture).decode(), "upload_url": "http://127.0.0.1:1/car.jpg"}
    return client.post(PATH, json=fields)


def picture_alone(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post(PATH, content=picture)


def old_alias(client: httpx.Client, picture: bytes) -> httpx.Response:
    return client.post("/alpr", files={"upload": ("car.jpg", picture)})


ENCODINGS: list[Callable[[httpx.Client, bytes], httpx.Response]] = [
    multipart,
    multipart_wrong_type,
    multipart_base64,
    multipart_data_address_in_lines,
    urlencoded,
    urlencoded_unescaped,
    urlencoded_with_spaces,
    json_body,
    json_body_declared_as_a_form,
    json_both_uploads,
    picture_alone,
    old_alias,
]


@pytest.mark.parametrize("send", ENCODINGS, ids=lambda send: send.__name__)
def test_every_encoding_gives_the_same_answer(
    client: httpx.Client, picture: bytes, send: Callable[[httpx.Client, bytes], httpx.Response]
) -> None:
    response = send(client, picture)
    body = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert list(body)[: len(KEYS)] == KEYS
    assert [result["plate"] for result in body["results"]] == [digest(picture)]
    assert (body["image_width"], body["image_height"]) == (64, 48)
    assert body["version"] == 1
    assert body["camera_id"] is None
    assert body["usage"]["max_calls"] == 1_000_000
    assert 0 < body["processing_time"] < 5_000
    assert "error" not in body


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "WEBP", "PPM", "GIF", "TIFF"])
def test_every_format_is_passed_on_as_it_came(client: httpx.Client, name: str) -> None:
    picture = encoded(name)
    for response in (multipart(client, picture), json_body(client, picture)):
        assert response.json()["results"][0]["plate"] == digest(picture)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "I;16", "1", "LA"])
def test_every_kind_of_png(client: httpx.Client, mode: str) -> None:
    picture = encoded("PNG", mode=mode)
    assert multipart(client, picture).json()["results"][0]["plate"] == digest(picture)


@pytest.mark.parametrize(
    ("filename", "echoed"),
    [
        ("car.jpg", "car.jpg"),
        ("upload", "upload"),
        ("C:\\Users\\me\\car.jpg", "car.jpg"),
        ("žluťoučký kůň.jpg", "žluťoučký kůň.jpg"),
    ],
)
def test_file_names_are_echoed_bare(client: httpx.Client, picture: bytes, filename: str, echoed: str) -> None:
    assert client.post(PATH, files={"upload": (filename, picture)}).json()["filename"] == echoed


def test_without_a_file_name_the_format_names_it(client: httpx.Client) -> None:
    assert json_body(client, encoded("PNG")).json()["filename"] == "upload.png"


@pytest.mark.parametrize(
    ("camera_id", "echoed"), [("", None), ("cam-1", "cam-1"), ("Einfahrt Süd 🚗 #1.*>", "Einfahrt Süd 🚗 #1.*>")]
)
def test_camera_ids_are_echoed(client: httpx.Client, picture: bytes, camera_id: str, echoed: str | None) -> None:
    data = {"camera_id": camera_id}
    assert client.post(PATH, data=data, files={"upload": picture}).json()["camera_id"] == echoed
    fields = {"upload": base64.b64encode(picture).decode(), **data}
    assert client.post(PATH, json=fields).json()["camera_id"] == echoed


def test_timestamps_are_echoed_in_utc(client: httpx.Client, picture: bytes) -> None:
    def echoed(text: str) -> str:
        data = {"timestamp": text} if text else {}
        return str(client.post(PATH, data=data, files={"upload": picture}).json()["timestamp"])

    assert echoed("2019-08-19T13:11:25") == "2019-08-19 13:11:25.000000"
    assert echoed("2019-08-19T13:11:25.5+02:00") == "2019-08-19 11:11:25.500000"
    assert echoed("2019-08-19T13:11:25Z") == "2019-08-19 13:11:25.000000"
    now = datetime.fromisoformat(echoed("")).replace(tzinfo=UTC)
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=20)


@pytest.mark.parametrize("mmc", ["true", "True", "1"])
def test_mmc_adds_make_colour_and_orientation(client: httpx.Client, picture: bytes, mmc: str) -> None:
    def result(data: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = client.post(PATH, data=data, files={"upload": picture}).json()["results"][0]
        return found

    assert result({"mmc": mmc})["model_make"] == [{"make": "generic", "model": "Unknown", "score": 0.0}]
    for off in ({"mmc": "False"}, {"mmc": "0"}, {"mmc": ""}, {}):
        assert not {"model_make", "color", "orientation"} & set(result(off))


def test_vehicle_mode(client: httpx.Client, picture: bytes) -> None:
    data = {"config": '{"detection_mode": "vehicle"}'}
    [result] = client.post(PATH, data=data, files={"upload": picture}).json()["results"]
    assert list(result) == ["plate", "vehicle"]
    assert result["plate"]["props"]["plate"] == [{"value": digest(picture), "score": 0.8}]
    assert result["vehicle"] is None


@pytest.mark.parametrize(
    "data",
    [
        {"regions": "us-ca"},
        {"regions": " US-CA ,mx"},
        {"regions": ["us-ca", "mx"]},
        {"regions[]": ["us-ca"]},
        {"region": "us-ca"},
        {"regions": "", "region": "us-ca"},
    ],
)
def test_regions_reach_the_workers(client: httpx.Client, picture: bytes, data: dict[str, Any]) -> None:
    def code(response: httpx.Response) -> str:
        return str(response.json()["results"][0]["region"]["code"])

    assert code(client.post(PATH, data=data, files={"upload": picture})) == "us-ca"
    assert code(client.post(PATH, json={**data, "upload": base64.b64encode(picture).decode()})) == "us-ca"
    assert code(client.post(PATH, files={"upload": picture})) == "unknown"


@pytest.mark.parametrize("config", ["{}", "", '{"detection_rule":"False","region":"False"}', '{"unknown": [1]}'])
def test_configs_of_popular_clients(client: httpx.Client, picture: bytes, config: str) -> None:
    data = {"config": config, "regions": ["us-ca", "atlantis"], "direction": "True", "other": "field"}
    assert client.post(PATH, data=data, files={"upload": picture}).status_code == 200


def test_a_picture_without_plates_is_an_answer_too(client: httpx.Client, picture: bytes) -> None:
    response = client.post(PATH, data={"camera_id": EMPTY_CAMERA}, files={"upload": picture})
    assert response.status_code == 200
    assert response.json()["results"] == []


def test_every_call_counts_once(client: httpx.Client, picture: bytes) -> None:
    first = multipart(client, picture).json()["usage"]["calls"]
    assert multipart(client, picture).json()["usage"]["calls"] == first + 1
    assert client.get("/info/").json()["usage"]["calls"] == first + 1
    assert client.get("/v1/statistics/").json()["usage"]["calls"] == first + 1
