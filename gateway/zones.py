"""Detection zones: for each camera, the parts of its picture where plates and vehicles are not reported.

Points are fractions of the picture's width and height, from its upper left, so a zone still holds when a camera changes
its resolution, or a client shrinks pictures before sending them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, FailFast, Field

from platelane.bus import Bus, subjects, topology
from platelane.bus.mirror import Mirror
from platelane.errors import BadRequest
from platelane.pb.v1 import domain_pb2

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MOST_CAMERAS: Final = 2_000
"""Cameras with zones, per account."""
MOST_POINTS: Final = 50_000
"""Points in all zones of an account: about 5 MB in memory."""
_PAGE_POINTS: Final = 5_050
"""Points in one page: as many as one camera may have."""
_STRICT: Final = ConfigDict(strict=True, frozen=True)


class Zone(BaseModel):
    """A part of the picture. Plates and vehicles whose centre lies in it are not reported."""

    model_config = _STRICT

    name: Annotated[str, Field(max_length=100, description="A name for display.")] = ""
    polygon: Annotated[
        tuple[tuple[Fraction, Fraction], ...],
        FailFast(),
        Field(
            min_length=3,
            max_length=100,
            description="Corners as [x, y], fractions of the picture's width and height from the upper left.",
            examples=[[[0.0, 0.0], [0.3, 0.0], [0.3, 0.08], [0.0, 0.08]]],
        ),
    ]


class ZoneList(BaseModel):
    """The zones of one camera in a request."""

    model_config = _STRICT

    zones: Annotated[tuple[Zone, ...], FailFast(), Field(max_length=50)]


class CameraZones(ZoneList):
    """The stored zones of one camera."""

    camera_id: str
    updated: datetime = Field(default_factory=lambda: datetime.now(UTC))

    @property
    def points(self) -> int:
        """The number of points of all polygons, which determines the size of the zones."""
        return sum(1 + len(zone.polygon) for zone in self.zones)


@dataclass(frozen=True, slots=True)
class Page:
    """Zones of some cameras, sorted by name; `after` is the last of these names if there are more."""

    cameras: list[CameraZones]
    after: str | None


class ZoneStore:
    """The zones of all cameras, separate for each account, stored in NATS and mirrored in memory."""

    def __init__(self, bus: Bus) -> None:
        self._mirror = Mirror(bus, topology.ZONES, CameraZones.model_validate_json)

    async def start(self) -> None:
        """Load all zones before the first use. Raises EngineUnavailable if NATS does not answer."""
        await self._mirror.start()

    def page(self, account: str, after: str, size: int) -> Page:
        """Up to `size` of an account's cameras after the name `after`, with at most `_PAGE_POINTS` points."""
        cameras = sorted(
            (each for each in self._of_account(account) if each.camera_id > after), key=lambda each: each.camera_id
        )
        chosen: list[CameraZones] = []
        points = 0
        for each in cameras[:size]:
            points += each.points
            if chosen and points > _PAGE_POINTS:
                break
            chosen.append(each)
        return Page(chosen, chosen[-1].camera_id if len(chosen) < len(cameras) else None)

    def of_camera(self, account: str, camera_id: str) -> CameraZones | None:
        """The zones of one camera. Raises BadRequest if the name is too long."""
        return self._mirror.get(_key(account, camera_id))

    def excluded(self, account: str, camera_id: str) -> list[domain_pb2.Polygon]:
        """The zones of a camera in the form that jobs carry."""
        kept = self.of_camera(account, camera_id) if camera_id else None
        return [
            domain_pb2.Polygon(points=[domain_pb2.Point(x=x, y=y) for x, y in zone.polygon])
            for zone in (kept.zones if kept else ())
        ]

    async def put(self, account: str, zones: CameraZones) -> None:
        """Store the zones of a camera.

        Raises:
            BadRequest: its name is too long, or the account has as many cameras or points as it may have.
            Others: as `Mirror.put`.
        """
        async with self._mirror.changing():
            others = [each for each in self._of_account(account) if each.camera_id != zones.camera_id]
            if len(others) >= MOST_CAMERAS:
                raise BadRequest(f"The limit of {MOST_CAMERAS} cameras with zones is reached; delete some first.")
            if zones.points + sum(each.points for each in others) > MOST_POINTS:
                raise BadRequest(f"The limit of {MOST_POINTS} points in all zones is reached; delete some first.")
            await self._mirror.put(_key(account, zones.camera_id), zones.model_dump_json().encode())

    async def delete(self, account: str, camera_id: str) -> None:
        """Raises as `put`."""
        await self._mirror.delete(_key(account, camera_id))

    def _of_account(self, account: str) -> Iterator[CameraZones]:
        prefix = _key(account, "").partition(".")[0] + "."
        return (value for key, value in self._mirror.items() if key.startswith(prefix))


def _key(account: str, camera_id: str) -> str:
    return ".".join(map(subjects.key_token, (account, camera_id)))
