"""Paths, methods, preflights and errors over real HTTP."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from PIL import Image

from .conftest import BROKEN_CAMERA, Gateway, NatsServer, encoded, running_gateway

PATH = "/v1/plate-reader/"
ORIGIN = {"Origin": "https://example.com"}


def assert_error(response: httpx.Response, status: int) -> str:
    """Every error is JSON with the same three keys; its text."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["detail", "error", "status_code"]
    assert body["detail"] == body["error"]
    assert body["status_code"] == status
    return str(body["error"])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/plate-reader/",
        "/v1/plate-reader",
        "//v1/plate-reader/",
        "/v1//plate-reader//",
        "/alpr",
        "/alpr/",
    ],
)
def test_recognition_is_served_directly_on_every_spelling(gateway: Gateway, picture: bytes, path: str) -> None:
    with httpx.Client(follow_redirects=False) as client:
        response = client.post(gateway.url + path, files={"upload": ("car.jpg", picture)})
    assert response.status_code == 200
    assert response.json()["filename"] == "car.jpg"


def test_the_root_answers_200(client: httpx.Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.json()["name"] == "platelane"
    assert client.head("/").status_code == 200


@pytest.mark.parametrize("path", ["/info/", "/info", "//info//"])
def test_info(gateway: Gateway, path: str) -> None:
    body = httpx.get(gateway.url + path).json()
    assert list(body) == ["version", "license_key", "total_calls", "usage", "webhooks"]
    assert body["total_calls"] == 1_000_000
    assert isinstance(body["usage"]["calls"], int)
    assert body["webhooks"] == []


def test_info_shows_only_scheme_and_host_of_webhooks(nats: NatsServer) -> None:
    targets = "http://user:secret@localhost:8081/api/webhook/secret?token=secret,https://example.com/"
    with running_gateway(nats, webhook_targets=targets) as gateway, gateway.client() as client:
        webhooks = client.get("/info/").json()["webhooks"]
    assert webhooks == ["http://localhost:8081", "https://example.com"]


@pytest.mark.parametrize("path", ["/v1/statistics/", "/v1/statistics"])
def test_statistics(client: httpx.Client, path: str) -> None:
    body = client.get(path).json()
    now = datetime.now(UTC)
    assert list(body) == ["usage", "total_calls"]
    assert list(body["usage"]) == ["month", "calls", "year", "resets_on"]
    assert (body["usage"]["month"], body["usage"]["year"]) == (now.month, now.year)
    resets_on = datetime.strptime(body["usage"]["resets_on"], "%Y-%m-%dT%H:%M:%S%z")
    assert resets_on > now
    assert (resets_on.day, resets_on.hour) == (1, 0)


@pytest.mark.parametrize("path", ["/", "/v1/plate-reader/", "/info/", "/nowhere"])
def test_preflights_are_answered_everywhere(client: httpx.Client, path: str) -> None:
    for wanted in ("Authorization, Content-Type", "X-Requested-With,Cache-Control"):
        headers = {
            "Origin": "https://example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": wanted,
            "Access-Control-Request-Private-Network": "true",
        }
        response = client.options(path, headers=headers)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-allow-headers"] == wanted
        assert response.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
        assert response.headers["access-control-allow-private-network"] == "true"


def test_every_answer_may_be_read_from_every_origin(client: httpx.Client, picture: bytes) -> None:
    for response in (
        client.get("/", headers=ORIGIN),
        client.get("/nowhere", headers=ORIGIN),
        client.post(PATH, files={"upload": picture}, headers=ORIGIN),
        client.post(PATH, json={}, headers=ORIGIN),
    ):
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["access-control-expose-headers"] == "Location, Preference-Applied, Retry-After"


def test_the_installers_probe_is_a_success_with_an_error_in_it(client: httpx.Client) -> None:
    response = client.post(PATH)
    assert response.status_code == 200
    assert response.json()["error"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/plate-reader/extra", "/INFO/", "/%2e%2e/info"])
def test_unknown_paths(client: httpx.Client, path: str) -> None:
    assert_error(client.get(path), 404)
    assert_error(client.post(path, json={}), 404)
    assert_error(client.options(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/plate-reader/", "OPTIONS, POST"),
        ("PUT", "/v1/plate-reader/", "OPTIONS, POST"),
        ("DELETE", "/alpr", "OPTIONS, POST"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("PATCH", "/info/", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/statistics/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/webhooks/", "GET, HEAD, OPTIONS, POST"),
        ("PUT", "/v1/webhooks/1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("POST", "/v1/zones/gate", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("GET", "/v1/tokens/somebody", "DELETE, OPTIONS, PATCH"),
    ],
)
def test_wrong_methods(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)
    assert_error(response, 405)
    assert response.headers["allow"] == allowed
    options = client.options(path)
    assert (options.status_code, options.content, options.headers["allow"]) == (200, b"", allowed)


def post(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.post(PATH, json=fields)


def bomb() -> bytes:
    """A small file of a picture with a hundred million pixels."""
    buffer = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "upload",
    [b"", b"plain text", b"%PDF-1.4 ...", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", encoded()[:30], b"GIF89a", bomb()],
    ids=["empty", "text", "pdf", "jpeg start", "png start", "cut header", "gif start", "bomb"],
)
def test_what_is_no_picture_is_refused(client: httpx.Client, upload: bytes) -> None:
    assert_error(client.post(PATH, files={"upload": ("car.jpg", upload)}), 400)
    assert_error(post(client, upload=base64.b64encode(upload).decode()), 400)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"upload": ""},
        {"upload": None},
        {"upload": 5},
        {"upload": ["a"]},
        {"upload_url": "http://127.0.0.1/car.jpg"},
        {"regions": ["mx"]},
    ],
)
def test_a_request_without_a_picture(client: httpx.Client, fields: dict[str, Any]) -> None:
    assert_error(post(client, **fields), 400)


def test_an_address_that_may_not_be_fetched_is_refused_by_name(client: httpx.Client) -> None:
    assert "upload_url" in assert_error(client.post(PATH, data={"upload_url": "http://127.0.0.1/car.jpg"}), 400)


@pytest.mark.parametrize(
    "fields",
    [
        {"config": "fast"},
        {"config": "[]"},
        {"config": "{'mode': 'fast'}"},
        {"timestamp": "yesterday"},
        {"camera_id": "x" * 2_000},
    ],
)
def test_fields_that_cannot_be_understood(client: httpx.Client, picture: bytes, fields: dict[str, str]) -> None:
    [name] = fields
    forms = client.post(PATH, data=fields, files={"upload": picture})
    document = post(client, upload=base64.b64encode(picture).decode(), **fields)
    for response in (forms, document):
        error = assert_error(response, 400)
        assert name in error or "too long" in error


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b'"text"'),
        ("application/json", b""),
        ("multipart/form-data; boundary=x", b"garbage"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=" + "x" * 1_000, b"--x"),
        ("application/x-www-form-urlencoded", b"upload"),
        ("application/x-www-form-urlencoded", b"%"),
        ("image/jpeg", b"no picture"),
        ("nonsense", b"\x00\xff"),
    ],
)
def test_broken_bodies(client: httpx.Client, content_type: str, body: bytes) -> None:
    assert_error(client.post(PATH, content=body, headers={"Content-Type": content_type}), 400)


def test_a_picture_that_only_the_detector_finds_broken(client: httpx.Client, picture: bytes) -> None:
    response = client.post(PATH, data={"camera_id": BROKEN_CAMERA}, files={"upload": picture})
    assert assert_error(response, 400) == "The image is broken or cut off."


def test_the_cloud_profile(cloud: Gateway, picture: bytes) -> None:
    with cloud.client() as client:
        files = {"upload": ("car.jpg", picture)}
        headers = {"Authorization": "Token secret-one"}
        for wrong in ({}, {"Authorization": "Token third"}, {"Authorization": "secret"}):
            assert assert_error(client.post(PATH, files=files, headers=wrong), 403) == "Invalid token."
            assert_error(client.get("/v1/statistics/", headers=wrong), 403)
        assert client.options(PATH).status_code == client.get("/").status_code == 200
        data = {"timestamp": "2020-10-12T16:17:27.574008+00:00"}
        response = client.post(PATH, data=data, files=files, headers=headers)
        assert response.status_code == 201
        body = response.json()
        assert body["usage"] == {"calls": 1, "max_calls": 1_000_000}
        assert body["timestamp"] == "2020-10-12T16:17:27.574008Z"
        prefix, name = body["filename"].rsplit("_", 1)
        assert name == "car.jpg"
        assert len(prefix) == len("1617_7M83K")
        assert client.get("/v1/statistics/", headers=headers).json()["usage"]["calls"] == 1
        other = {"Authorization": "Token secret-two"}
        assert client.get("/v1/statistics/", headers=other).json()["usage"]["calls"] == 0


def test_nothing_was_logged_as_an_error(gateway: Gateway) -> None:
    """None of the requests above made the server raise."""
    assert [line for line in gateway.log if json.loads(line)["level"] in ("error", "critical")] == []
