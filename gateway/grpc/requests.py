"""Converts a gRPC message to the fields of a request, by the rules of the REST API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from gateway.intake import fields
from gateway.intake.arrivals import Arrival
from gateway.intake.fields import Fields
from gateway.intake.text import bare_name
from gateway.intake.upload import Upload
from platelane import times
from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2, service_pb2

_MODES: Final = {domain_pb2.MODE_FAST: "fast", domain_pb2.MODE_REDACTION: "redaction"}
_NUMBERS: Final = {
    "threshold_detection": "threshold_d",
    "threshold_text": "threshold_o",
    "plates_per_vehicle": "plates_per_vehicle",
    "zoom_in_vehicles": "zoom_in_vehicles",
}
"""Optional numbers, and their names in the REST API."""
_LAST_TIMESTAMP: Final = times.microseconds(datetime(9999, 12, 31, tzinfo=UTC))


def read(
    request: service_pb2.RecognizeRequest, upload: Upload, now: datetime, arrival: Arrival | None = None
) -> Fields:
    """The fields of a message whose image is `upload`.

    Raises:
        BadRequest: a field cannot be used.
    """
    if not 0 <= request.timestamp_us <= _LAST_TIMESTAMP:
        raise BadRequest("timestamp_us must be microseconds since 1970.")
    return Fields(
        upload=None if upload.empty else upload,
        upload_url="",
        filename=bare_name(request.filename),
        options=options(request.options),
        camera_id=fields.camera_id(request.camera_id),
        timestamp_us=request.timestamp_us or times.microseconds(now),
        timestamp_sent=bool(request.timestamp_us),
        arrival=arrival,
    )


def options(wanted: domain_pb2.Options) -> domain_pb2.Options:
    """The options within the limits of the REST API, with its defaults for missing numbers."""
    config: dict[str, Any] = {
        "mode": _MODES.get(wanted.mode),
        "detection_rule": "strict" if wanted.strict_detection else None,
        "detection_mode": "vehicle" if wanted.vehicles else None,
        "region": "strict" if wanted.strict_region else None,
        "text_formats": list(wanted.text_formats),
    }
    config |= {name: getattr(wanted, field) for field, name in _NUMBERS.items() if wanted.HasField(field)}
    return fields.options(config, wanted.regions, wanted.make_model_color, wanted.direction, wanted.characters)
