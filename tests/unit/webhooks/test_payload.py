from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.intake.fields import timestamp_us
from platelane.pb.v1 import domain_pb2
from platelane.webhooks.hook import Hook
from platelane.webhooks.payload import Payload, Queued, ascii_json, document, encode, upload_name
from platelane.webhooks.picture import Picture

DOCUMENTATION = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"
PICTURE = Picture(b"\xff\xd8\r\n--picture", "gate.jpg", "image/jpeg")


def hook(**fields: Any) -> Hook:
    return Hook.model_validate({"id": 7, "target": "http://user:secret@a.example/x?key=k", **fields})


def recognition(**fields: Any) -> domain_pb2.Recognition:
    plate = domain_pb2.Plate(text="abc123", text_score=0.9)
    return domain_pb2.Recognition(
        id="j1",
        timestamp_us=1_567_261_326_983_000,
        image_width=640,
        image_height=480,
        sightings=[domain_pb2.Sighting(plate=plate)],
        **fields,
    )


QUEUED = Queued(17, 5_000_000)


def parts(payload: Payload) -> dict[str, Message]:
    head = f"Content-Type: {payload.headers['Content-Type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + payload.body)
    return {str(part.get_param("name", header="content-disposition")): part for part in message.iter_parts()}


def test_envelope() -> None:
    content = document(hook(), recognition(camera_id="Tor 1", filename="a.jpg"), QUEUED)
    assert content["hook"] == {
        "target": "http://a.example/x",
        "id": 7,
        "event": "image.done",
        "sequence": 17,
        "time": "1970-01-01T00:00:05.000000Z",
    }
    assert content["data"]["timestamp"] == "2019-08-31T14:22:06.983000Z"
    assert content["data"]["timestamp_local"].startswith("2019-0")
    assert content["data"]["results"][0]["plate"] == "abc123"
    assert content["data"]["camera_id"] == "Tor 1"


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
@pytest.mark.parametrize("timestamp", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_the_ends_of_the_calendar_are_times_too(timestamp: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        seen = recognition()
        seen.timestamp_us = timestamp_us(timestamp, datetime.now(UTC))
        data = document(hook(), seen, QUEUED)["data"]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert data["timestamp"].startswith(timestamp)
    assert datetime.fromisoformat(data["timestamp_local"]) == datetime.fromisoformat(timestamp).replace(tzinfo=UTC)


def test_watched_plates_are_named() -> None:
    content = document(hook(filter={"watch_list": ["ABC 124", "zzz"], "distance": 1}), recognition(), QUEUED)
    assert content["hook"]["watch_list"] == [{"plate": "abc123", "listed": "abc124", "distance": 1}]


def test_json() -> None:
    text = ascii_json(document(hook(), recognition(camera_id="Tür"), QUEUED))
    payload = encode(hook(headers={"Authorization": "Token x"}), text, "j1.7", None, 5)
    assert payload.headers["Content-Type"] == "application/json"
    assert payload.headers["Authorization"] == "Token x"
    assert payload.headers["Idempotency-Key"] == "j1.7"
    assert "webhook-signature" not in payload.headers
    assert b"T\\u00fcr" in payload.body
    assert json.loads(payload.body)["data"]["camera_id"] == "Tür"


def test_form() -> None:
    text = ascii_json({"a": "x&y=z +%"})
    payload = encode(hook(format="form"), text, "k", None, 5)
    assert payload.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert json.loads(parse_qs(payload.body.decode())["json"][0]) == {"a": "x&y=z +%"}


def test_multipart() -> None:
    payload = encode(hook(format="multipart"), '{"a":1}', "k", PICTURE, 5)
    found = parts(payload)
    assert re.fullmatch(r"multipart/form-data; boundary=[A-Za-z0-9-]+", payload.headers["Content-Type"])
    assert list(found) == ["json", "upload"]
    assert found["json"].get_payload(decode=True) == b'{"a":1}'
    assert found["upload"].get_payload(decode=True) == PICTURE.data
    assert (found["upload"].get_filename(), found["upload"].get_content_type()) == ("gate.jpg", "image/jpeg")


def test_multipart_whose_picture_is_gone() -> None:
    assert list(parts(encode(hook(format="multipart"), "{}", "k", None, 5))) == ["json"]


@pytest.mark.parametrize("name", ["gate.jpg", "a b.jpg", "café.jpg", "車.jpg", "a;b=c.png", "%41.jpg", "no extension"])
def test_a_picture_has_the_file_name_of_its_event(name: str) -> None:
    assert upload_name(name, "other") == name
    body = encode(hook(format="multipart"), "{}", "k", Picture(b"x", name, "image/jpeg"), 5).body
    assert f'name="upload"; filename="{name}"\r\n'.encode() in body


def test_a_file_name_does_not_end_its_header() -> None:
    body = encode(hook(format="multipart"), "{}", "k", Picture(b"x", 'a"\r\nb.png', "image/png"), 5).body
    assert b'filename="a%22%0D%0Ab.png"\r\n' in body


@pytest.mark.parametrize("name", ["", "data.JSON.jpg"])
def test_file_names_that_are_not_used(name: str) -> None:
    assert upload_name(name, "other") == "other"


@pytest.fixture(scope="module")
def is_genuine() -> Callable[..., bool]:
    """The example of the documentation."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., bool] = names["is_genuine"]
    return found


@pytest.mark.parametrize("secret", ["plain text", "whsec_c2VjcmV0IGtleQ=="])
@pytest.mark.parametrize("encoding", ["json", "form", "multipart"])
def test_documented_verification(is_genuine: Callable[..., bool], secret: str, encoding: str) -> None:
    now = int(time.time())
    payload = encode(hook(format=encoding, secret=secret), "{}", "j1.7", PICTURE, now)
    headers = {name.lower(): value for name, value in payload.headers.items()}
    assert is_genuine(headers, payload.body, secret)
    assert not is_genuine(headers, payload.body + b" ", secret)
    assert not is_genuine(headers, payload.body, "another")
    assert not is_genuine(headers | {"webhook-id": "j2.7"}, payload.body, secret)
    old = encode(hook(secret=secret), "{}", "j1.7", None, now - 3600)
    assert not is_genuine({name.lower(): value for name, value in old.headers.items()}, old.body, secret)


def test_signature_of_the_standard() -> None:
    """The example of the Standard Webhooks specification."""
    secret, key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    payload = encode(hook(secret=secret), '{"test": 2432232314}', key, None, 1614265330)
    assert payload.headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
