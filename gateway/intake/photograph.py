"""The photograph that becomes a job: a picture, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.intake.arrivals import Arrival
from gateway.intake.fields import Fields
from gateway.intake.picture import Picture
from platelane.pb.v1 import domain_pb2


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph to be read. `image` is encoded; the time is microseconds since 1970 UTC.

    `waited`: seconds that fetching it took, which count towards the deadline. `arrival` accounts for the bytes of the
    image as long as this object holds it.
    """

    image: bytes
    options: domain_pb2.Options
    camera_id: str
    filename: str
    timestamp_us: int
    waited: float = 0.0
    pixels: int = 0
    arrival: Arrival | None = None


def of(fields: Fields, picture: Picture) -> Photograph:
    """The photograph of a request."""
    return Photograph(
        image=picture.data,
        options=fields.options,
        camera_id=fields.camera_id,
        filename=picture.filename,
        timestamp_us=fields.timestamp_us,
        waited=picture.waited,
        pixels=picture.pixels,
        arrival=fields.arrival,
    )
