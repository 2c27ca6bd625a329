"""From a message to the photograph it carries, under the rules of the REST API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from gateway import fields, pictures
from gateway.forms import bare_name
from gateway.recognizer import Photograph
from platelane.errors import BadImage, BadRequest, UploadTooLarge
from platelane.pb.v1 import domain_pb2, service_pb2

_MODES: Final = {domain_pb2.MODE_FAST: "fast", domain_pb2.MODE_REDACTION: "redaction"}
_NUMBERS: Final = {
    "threshold_detection": "threshold_d",
    "threshold_text": "threshold_o",
    "plates_per_vehicle": "plates_per_vehicle",
    "zoom_in_vehicles": "zoom_in_vehicles",
}
"""Numbers that may be left out, and their names in the REST API."""
_LAST_TIMESTAMP: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000


def photograph(request: service_pb2.RecognizeRequest, upload_limit: int) -> Photograph:
    """What a caller wants read.

    Raises:
        BadImage: there is no picture.
        BadRequest: a field cannot be used.
        UploadTooLarge: the picture is over the limit.
    """
    if not request.image:
        raise BadImage("There is no image.")
    if len(request.image) > upload_limit:
        raise UploadTooLarge(upload_limit)
    if not 0 <= request.timestamp_us <= _LAST_TIMESTAMP:
        raise BadRequest("timestamp_us has to be microseconds since 1970.")
    image = request.image
    return Photograph(
        image=image,
        options=options(request.options),
        camera_id=fields.camera_id(request.camera_id),
        filename=bare_name(request.filename) or f"upload.{pictures.extension(image)}",
        timestamp_us=request.timestamp_us or fields.timestamp_us(None, datetime.now(UTC)),
    )


def options(wanted: domain_pb2.Options) -> domain_pb2.Options:
    """The same options within the limits of the REST API, with its defaults for numbers that were left out."""
    config: dict[str, Any] = {
        "mode": _MODES.get(wanted.mode),
        "detection_rule": "strict" if wanted.strict_detection else None,
        "detection_mode": "vehicle" if wanted.vehicles else None,
        "region": "strict" if wanted.strict_region else None,
        "text_formats": list(wanted.text_formats),
    }
    config |= {name: getattr(wanted, field) for field, name in _NUMBERS.items() if wanted.HasField(field)}
    return fields.options(config, wanted.regions, wanted.make_model_color, wanted.direction)
