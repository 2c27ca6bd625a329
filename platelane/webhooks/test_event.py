"""A made-up event, to test whether a receiver understands events."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Final

from PIL import Image, ImageDraw

from platelane import times
from platelane.pb.v1 import domain_pb2
from platelane.webhooks.hook import Hook
from platelane.webhooks.payload import Payload, Queued, ascii_json, document, encode
from platelane.webhooks.picture import Picture

_SIZE: Final = (640, 360)
_BOX: Final = domain_pb2.Box(xmin=260, ymin=200, xmax=380, ymax=230)


def test_event(hook: Hook, moment: datetime, now: int) -> Payload:
    """An event of one plate, `test123`, marked as a test; the picture shows where it is."""
    plate = domain_pb2.Plate(box=_BOX, detection_score=0.9, text="test123", text_score=0.9)
    recognition = domain_pb2.Recognition(
        id=f"test-{now}",
        camera_id="test",
        filename="test.jpg",
        timestamp_us=times.microseconds(moment),
        image_width=_SIZE[0],
        image_height=_SIZE[1],
        sightings=[domain_pb2.Sighting(plate=plate)],
    )
    picture = Picture(_picture(), "test.jpg", "image/jpeg") if hook.format == "multipart" else None
    text = ascii_json(document(hook, recognition, Queued(0, recognition.timestamp_us), test=True))
    return encode(hook, text, hook.key(recognition.id), picture, now)


def _picture() -> bytes:
    image = Image.new("RGB", _SIZE, "gray")
    ImageDraw.Draw(image).rectangle((_BOX.xmin, _BOX.ymin, _BOX.xmax, _BOX.ymax), "white", "black")
    encoded = io.BytesIO()
    image.save(encoded, "JPEG")
    return encoded.getvalue()
