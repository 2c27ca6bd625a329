"""The last stage: fields and picture become the photograph of a job, the same for REST and gRPC."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.grpc import requests as grpc_requests
from gateway.intake import fields, photograph
from gateway.intake.parts import Parts, PartsReader
from gateway.intake.picture import Picture
from gateway.intake.upload import Upload
from platelane.pb.v1 import domain_pb2, service_pb2

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE = b"\xff\xd8\xff picture"


def test_everything_that_was_asked_for_is_in_it() -> None:
    body = (
        b'{"upload": "/9j/", "camera_id": "gate", "regions": ["mx"], "mmc": true, "timestamp": "2019-08-19T13:11:25Z", '
        b'"config": {"mode": "fast"}}'
    )
    reader = PartsReader("", 1_000)
    reader.feed(body)
    asked = fields.read(reader.finish(), NOW)
    taken = photograph.of(asked, Picture(IMAGE, "car.jpg", 12, 0.5))
    assert (taken.image, taken.filename, taken.camera_id, taken.waited) == (IMAGE, "car.jpg", "gate", 0.5)
    assert taken.timestamp_us == 1_566_220_285_000_000
    assert taken.options.mode == domain_pb2.MODE_FAST
    assert taken.options.make_model_color
    assert list(taken.options.regions) == ["mx"]


async def test_rest_and_grpc_ask_for_the_same() -> None:
    upload = await Upload.whole(IMAGE, 1_000)
    rest = fields.read(Parts(upload, "car.jpg", {"camera_id": ["gate"], "regions": ["MX"], "mmc": ["1"]}), NOW)
    message = service_pb2.RecognizeRequest(
        image=IMAGE,
        filename="/home/me/car.jpg",
        camera_id="gate",
        options=domain_pb2.Options(regions=["MX"], make_model_color=True),
    )
    assert grpc_requests.read(message, upload, NOW) == rest
    assert upload.picture() is IMAGE
