"""Detection zones: for each camera, the parts of its picture in which nothing is reported.

Points are fractions of the picture's width and height, from its upper left: a zone stays where it is when a camera
changes its resolution, or a client shrinks pictures before it sends them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from platelane.bus import Bus, subjects, topology
from platelane.bus.mirror import Mirror
from platelane.pb.v1 import domain_pb2

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_STRICT: Final = ConfigDict(strict=True, frozen=True)


class Zone(BaseModel):
    """A part of the picture in which no plate or vehicle is reported whose centre lies in it."""

    model_config = _STRICT

    name: Annotated[str, Field(max_length=100, description="What it hides, for people.")] = ""
    polygon: Annotated[
        tuple[tuple[Fraction, Fraction], ...],
        Field(
            min_length=3,
            max_length=100,
            description="Corners as [x, y], fractions of the picture's width and height from its upper left.",
            examples=[[[0.0, 0.0], [0.3, 0.0], [0.3, 0.08], [0.0, 0.08]]],
        ),
    ]


class ZoneList(BaseModel):
    """The zones of one camera, as they are sent."""

    model_config = _STRICT

    zones: Annotated[tuple[Zone, ...], Field(max_length=50)]


class CameraZones(ZoneList):
    """The zones of one camera, as they are kept."""

    camera_id: str
    updated: datetime = Field(default_factory=lambda: datetime.now(UTC))


class ZoneStore:
    """The zones of all cameras, each account's apart, in NATS; looking them up asks nobody."""

    def __init__(self, bus: Bus) -> None:
        self._mirror = Mirror(bus, topology.ZONES, CameraZones.model_validate_json)

    async def start(self) -> None:
        """Learn what there is; before the first use. Raises EngineUnavailable where NATS does not answer."""
        await self._mirror.start()

    def of_account(self, account: str) -> list[CameraZones]:
        """Those of all its cameras, by name."""
        prefix = _key(account, "").partition(".")[0] + "."
        found = [value for key, value in self._mirror.items() if key.startswith(prefix)]
        return sorted(found, key=lambda each: each.camera_id)

    def of_camera(self, account: str, camera_id: str) -> CameraZones | None:
        """Those of one camera. Raises BadRequest for a name that is too long."""
        return self._mirror.get(_key(account, camera_id))

    def excluded(self, account: str, camera_id: str) -> list[domain_pb2.Polygon]:
        """What the detector is told about a camera's picture."""
        kept = self.of_camera(account, camera_id) if camera_id else None
        return [
            domain_pb2.Polygon(points=[domain_pb2.Point(x=x, y=y) for x, y in zone.polygon])
            for zone in (kept.zones if kept else ())
        ]

    async def put(self, account: str, zones: CameraZones) -> None:
        """Raises BadRequest for a name that is too long, and as `Mirror.put`."""
        await self._mirror.put(_key(account, zones.camera_id), zones.model_dump_json().encode())

    async def delete(self, account: str, camera_id: str) -> None:
        """Raises as `put`."""
        await self._mirror.delete(_key(account, camera_id))


def _key(account: str, camera_id: str) -> str:
    """Spelt with what NATS' own tools allow in keys, which no percent sign is."""
    return ".".join(subjects.encode(word).replace("~", "%7E").replace("%", "=") for word in (account, camera_id))
