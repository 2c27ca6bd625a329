"""Turns a result into the request for a receiver: body, encoding, signature. Pure functions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_plus

from platelane import times
from platelane.pb.v1 import domain_pb2
from platelane.rest_json import recognition_body, timestamp
from platelane.webhooks.hook import SECRET_PREFIX, Hook
from platelane.webhooks.matching import named, texts, watched
from platelane.webhooks.picture import Picture
from platelane.webhooks.watchlists import Lists, NoLists

EVENT: Final = "image.done"


@dataclass(frozen=True, slots=True)
class Payload:
    """The body and headers of a request."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Queued:
    """An event's number in its hook's queue, and when it was queued, in microseconds since 1970.

    Numbers increase, with gaps, so receivers can sort by them.
    """

    sequence: int
    time_us: int


def document(
    hook: Hook,
    recognition: domain_pb2.Recognition,
    queued: Queued,
    lists: Lists | None = None,
    *,
    test: bool = False,
) -> dict[str, Any]:
    """The JSON document of an event: the Snapshot API's envelope, the event's number and time, and which plates of the
    hook's watch-lists were seen."""
    about: dict[str, Any] = {
        "target": hook.public_target,
        "id": hook.id,
        "event": EVENT,
        "sequence": queued.sequence,
        "time": timestamp(queued.time_us, zulu=True),
    }
    if hook.filter.watch_list:
        about["watch_list"] = [asdict(match) for match in watched(hook.filter, texts(recognition))]
    if hook.filter.watchlists:
        about["watchlists"] = named(hook, recognition, lists or NoLists())
    if test:
        about["test"] = True
    data = recognition_body(recognition)
    data["timestamp_local"] = _local(recognition.timestamp_us).isoformat(" ", "microseconds")
    return {"hook": about, "data": data}


def _local(microseconds: int) -> datetime:
    """The time in this machine's zone; in UTC if that is outside the calendar, as on the last day of year 9999."""
    moment = times.moment(microseconds)
    try:
        return moment.astimezone()
    except (OverflowError, ValueError, OSError):
        return moment


def encode(hook: Hook, text: str, key: str, picture: Picture | None, now: int) -> Payload:
    """A request with the JSON `text` in the hook's format; `now` is in unix seconds."""
    match hook.format:
        case "json":
            content_type, body = "application/json", text.encode("ascii")
        case "form":
            content_type, body = "application/x-www-form-urlencoded", b"json=" + quote_plus(text).encode()
        case "multipart":
            boundary = secrets.token_hex(16)
            content_type = f"multipart/form-data; boundary={boundary}"
            body = _multipart(boundary, text, picture)
    headers = {"User-Agent": "platelane", **hook.headers, "Content-Type": content_type, "Idempotency-Key": key}
    if hook.secret:
        headers |= signature(hook.secret, key, now, body)
    return Payload(body, headers)


def ascii_json(content: Mapping[str, Any]) -> str:
    """JSON in ASCII only, because some receivers cannot read anything else."""
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"))


def signature(secret: str, key: str, now: int, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks specification: HMAC-SHA256 over id, time and body."""
    signed = f"{key}.{now}.".encode() + body
    digest = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()
    return {"webhook-id": key, "webhook-timestamp": str(now), "webhook-signature": f"v1,{digest}"}


def _key(secret: str) -> bytes:
    if secret.startswith(SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return secret.encode()


def _multipart(boundary: str, text: str, picture: Picture | None) -> bytes:
    parts = [b'Content-Disposition: form-data; name="json"\r\n\r\n' + text.encode("ascii")]
    if picture is not None:
        head = f'Content-Disposition: form-data; name="upload"; filename="{_quoted(picture.filename)}"\r\n'
        parts.append(f"{head}Content-Type: {picture.media_type}\r\n\r\n".encode() + picture.data)
    mark = b"--" + boundary.encode("ascii")
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def upload_name(filename: str, fallback: str) -> str:
    """The event's own file name, by which receivers match event and picture.

    Some receivers mistake a part whose header contains `json` for the field of that name, so such a name is not used.
    """
    return filename if filename and "json" not in filename.lower() else fallback


def _quoted(filename: str) -> str:
    """Escaped as the HTML standard requires for names in multipart/form-data (RFC 7578); the rest is UTF-8."""
    return filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
