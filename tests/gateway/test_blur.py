"""`/v1/blur/`: the answer's shape, the fields, and the errors."""

from __future__ import annotations

import base64
import io

import httpx
import pytest
from PIL import Image

from .conftest import encoded

PATH = "/v1/blur/"


def test_the_answer(client: httpx.Client, picture: bytes) -> None:
    before = client.get("/v1/statistics").json()["usage"]["calls"]
    response = client.post(PATH, data={"plates": "10", "faces": "10"}, files={"upload": ("car.png", picture)})
    assert response.status_code == 200
    body = response.json()
    assert list(body)[:3] == ["blur", "plates", "faces"]
    assert body["blur"]["contentType"] == "image/jpeg"
    assert body["blur"]["filename"] == "car.jpg"
    with Image.open(io.BytesIO(base64.b64decode(body["blur"]["base64"]))) as blurred:
        assert blurred.size == (64, 48)
    [plate] = body["plates"]
    assert plate["polygon"] == [[2, 3], [20, 3], [20, 9], [2, 9]]
    assert plate["result"]["box"] == {"xmin": 2, "ymin": 3, "xmax": 20, "ymax": 9}
    assert body["faces"] == []
    assert client.get("/v1/statistics").json()["usage"]["calls"] == before + 1


def test_without_blurring_the_polygons_alone(client: httpx.Client, picture: bytes) -> None:
    body = client.post("/v1/blur", data={"plates": "0"}, files={"upload": picture}).json()
    assert body["blur"] is None
    assert len(body["plates"]) == 1


def test_every_encoding(client: httpx.Client, picture: bytes) -> None:
    text = base64.b64encode(picture).decode()
    for response in (
        client.post(PATH, json={"upload": text}),
        client.post(PATH, data={"upload": text}),
        client.post(PATH, content=picture),
    ):
        assert response.json()["blur"]["base64"]


@pytest.mark.parametrize("name", ["PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM"])
def test_every_format(client: httpx.Client, name: str) -> None:
    assert client.post(PATH, files={"upload": encoded(name)}).json()["blur"]["base64"]


@pytest.mark.parametrize("upload", [b"", b"no picture"])
def test_what_is_no_picture(client: httpx.Client, upload: bytes) -> None:
    response = client.post(PATH, files={"upload": ("car.jpg", upload)})
    assert response.status_code == 400
    assert response.json()["status_code"] == 400


def test_too_large_a_picture(client: httpx.Client, picture: bytes) -> None:
    response = client.post(PATH, files={"upload": ("car.jpg", picture + bytes(40_000_000))})
    assert response.status_code == 413
    assert response.json()["status_code"] == 413
