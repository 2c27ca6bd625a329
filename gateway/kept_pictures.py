"""Gives access to the small pictures of plates, vehicles and cameras that the detector keeps."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.results_query import History
from platelane.bus import Bus, subjects, topology
from platelane.errors import NotFound
from platelane.pb.v1 import stages_pb2
from platelane.read_id import ReadId

_GONE: Final = "There is no such picture, or it is no longer stored."


class Subject(StrEnum):
    """What a picture shows."""

    PLATE = "plate"
    VEHICLE = "vehicle"


class KeptPictures:
    """The pictures, for the owner of the result. Every method raises NotFound and EngineUnavailable."""

    def __init__(self, bus: Bus, history: History) -> None:
        self._history = history
        self._crops = bus.stream(topology.KV_CROPS)
        self._cameras = bus.stream(topology.KV_CAMERAS)

    async def of_read(self, read: ReadId, subject: Subject, owner: str) -> bytes:
        """WebP of a read's plate or vehicle; `owner` as in `Account.owner`."""
        result = await self._history.of_job(read.job)
        if result is None or owner not in ("", result.account):
            raise NotFound(_GONE)
        sightings = result.recognition.sightings
        plate = sightings[read.index].plate if read.index < len(sightings) else None
        if plate is None or not plate.HasField("crop"):
            raise NotFound(_GONE)
        found, _ = await self._crops.last(subjects.crops(read.job))
        kept = stages_pb2.KeptCrops.FromString(found[0].data).plates if found else ()
        picture = getattr(kept[plate.crop], subject) if plate.crop < len(kept) else b""
        if not picture:
            raise NotFound(_GONE)
        return bytes(picture)

    async def of_camera(self, account: str, camera_id: str) -> bytes:
        """WebP of the last picture of a camera."""
        found, _ = await self._cameras.last(subjects.camera_picture(account, camera_id))
        if not found:
            raise NotFound(_GONE)
        return found[0].data
