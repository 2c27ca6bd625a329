"""Damaged requests of every encoding: always an answer in JSON, never a failure of the server."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Gateway, encoded

PICTURE = encoded(size=(16, 12))
TEXT = base64.b64encode(PICTURE).decode()
FIELDS = {"regions": "mx,us-ca", "config": '{"mode": "fast", "threshold_d": 0.2}', "mmc": "true", "camera_id": "c"}
TIME = {"timestamp": "2019-08-19T13:11:25Z"}

MULTIPART = (
    "".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**FIELDS, **TIME}.items()
    ).encode()
    + b'--x\r\nContent-Disposition: form-data; name="upload"; filename="car.jpg"\r\n'
    + b"Content-Type: image/jpeg\r\n\r\n"
    + PICTURE
    + b"\r\n--x--\r\n"
)
REQUESTS = [
    ("multipart/form-data; boundary=x", MULTIPART),
    ("application/x-www-form-urlencoded", urlencode({**FIELDS, **TIME, "upload": TEXT}).encode()),
    ("application/json", json.dumps({**FIELDS, **TIME, "upload": TEXT}).encode()),
    ("image/jpeg", PICTURE),
]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_request_is_answered(client: httpx.Client, data: st.DataObject) -> None:
    content_type, body = data.draw(st.sampled_from(REQUESTS))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(body)))
        noise = data.draw(st.binary(max_size=12) | st.sampled_from([b"\r\n--x\r\n", b'"', b"{", b"%", b"&", b"="]))
        body = body[:start] + noise + body[start + data.draw(st.integers(0, 30)) :]
    if data.draw(st.booleans()):
        content_type = data.draw(st.sampled_from(["", "text/plain", *(each for each, _ in REQUESTS)]))
    response = client.post("/v1/plate-reader/", content=body, headers={"Content-Type": content_type})
    assert response.status_code in (200, 400), response.text
    answer = response.json()
    assert ("results" in answer) == (response.status_code == 200)
    assert ("error" in answer) == (response.status_code == 400)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]),
    path=st.text(max_size=12),
    body=st.binary(max_size=60),
)
def test_any_path_is_answered(client: httpx.Client, gateway: Gateway, method: str, path: str, body: bytes) -> None:
    response = client.request(method, f"{gateway.url}/{quote(path)}", content=body)
    assert response.status_code in (200, 400, 404, 405)


@pytest.mark.parametrize(
    "path", ["/v1/webhooks/{}", "/v1/webhooks/{}/dead", "/v1/results?before={}", "/v1/results?page_size={}"]
)
@pytest.mark.parametrize("number", ["9" * 5_000, "٣", "²", "-1", "1e9", "0x1"])
def test_odd_numbers(client: httpx.Client, path: str, number: str) -> None:
    assert client.get(path.format(number)).status_code in (200, 400, 404)


@pytest.mark.parametrize("seen", [b"9" * 5_000, "²".encode("latin-1"), b"-1", b"x"])
def test_odd_event_ids(client: httpx.Client, seen: bytes) -> None:
    with client.stream("GET", "/v1/events", headers=[(b"Last-Event-ID", seen)]) as response:
        assert response.status_code in (200, 400)
