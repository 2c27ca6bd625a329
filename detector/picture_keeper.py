"""Small pictures of plates, vehicles and cameras, kept with the results in the background.

They are cut after the crops have been sent to the models, and encoded in one thread of low priority. If too many are
waiting for it, further ones are not kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import structlog
from PIL import Image as PillowImage

from platelane.bus import Bus, subjects, topology
from platelane.errors import PlatelaneError
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.vision.crops import Image, cut_shrunk, rectify_plate
from platelane.vision.geometry import Box, Corners

log = structlog.get_logger(__name__)

PLATE_WIDTH: Final = (64, 256)
PLATE_HEIGHT: Final = (24, 160)
"""Smallest and largest, in pixels."""
VEHICLE_SIZE: Final = (256, 192)
CAMERA_SIZE: Final = (640, 480)
"""(width, height) that these pictures fit into."""
CAMERA_EVERY: Final = 10.0
"""Seconds between two kept pictures of a camera, per process."""
WAITING: Final = 64
"""Photographs whose pictures may wait to be encoded: each takes some 200 kB."""
_CAMERAS: Final = 1_000
"""Cameras whose last picture is remembered."""
_VEHICLE_MARGIN: Final = 0.06
_QUALITY: Final = 60
_NICENESS: Final = 10
_PATIENCE: Final = 5.0


class Store(Protocol):
    """A bucket; `platelane.bus.streams.Stream` is one."""

    async def put(self, subject: str, data: bytes) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Views:
    """The pictures to keep of one photograph, not encoded yet: of each plate and its vehicle, and of the camera."""

    plates: list[tuple[Image, Image | None]]
    camera: Image | None


class PictureKeeper:
    """Keeps pictures in the buckets CROPS and CAMERAS."""

    def __init__(self, crops: Store, cameras: Store, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._crops = crops
        self._cameras = cameras
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "pictures", _step_back)
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[tuple[str, str], float] = {}

    @classmethod
    def of(cls, bus: Bus) -> PictureKeeper:
        """A keeper that stores pictures in NATS."""
        return cls(bus.stream(topology.KV_CROPS, _PATIENCE), bus.stream(topology.KV_CAMERAS, _PATIENCE))

    async def keep(self, image: Image, part: stages_pb2.DetectionPart) -> None:
        """Cut the plates that have a number in `crop`, and their vehicles; encode and store them in the background."""
        camera = self._is_due(part.context)
        if (not part.plates and not camera) or len(self._tasks) >= WAITING:
            return
        views = await asyncio.to_thread(cut_views, image, part, camera=camera)
        task = asyncio.create_task(self._store(part.context, views))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Return once all pictures have been stored."""
        await asyncio.gather(*self._tasks)

    def _is_due(self, context: stages_pb2.JobContext) -> bool:
        """Whether a picture of the camera is due; if so, it counts as kept."""
        key, now = (context.account, context.camera_id), self._clock()
        if not context.camera_id or now - self._last.get(key, -CAMERA_EVERY) < CAMERA_EVERY:
            return False
        self._last.pop(key, None)
        self._last[key] = now
        if len(self._last) > _CAMERAS:
            del self._last[next(iter(self._last))]
        return True

    async def _store(self, context: stages_pb2.JobContext, views: Views) -> None:
        crops, camera = await asyncio.get_running_loop().run_in_executor(self._thread, _encoded, views)
        try:
            if crops.plates:
                await self._crops.put(subjects.crops(context.id), crops.SerializeToString())
            if camera:
                await self._cameras.put(subjects.camera_picture(context.account, context.camera_id), camera)
        except PlatelaneError as error:
            log.warning("pictures_not_kept", job=context.id, error=error.detail)


def cut_views(image: Image, part: stages_pb2.DetectionPart, *, camera: bool) -> Views:
    """The pictures to keep of a photograph; plates without a number in `crop` are left out."""
    kept = [
        (plate, owner) for plate, owner in zip(part.plates, part.plate_vehicle, strict=True) if plate.HasField("crop")
    ]
    plates = [
        (_plate(image, plate), _vehicle(image, part.vehicles[owner].box) if owner >= 0 else None)
        for plate, owner in kept
    ]
    return Views(plates, cut_shrunk(image, _whole(image), *CAMERA_SIZE) if camera else None)


def _plate(image: Image, plate: domain_pb2.Plate) -> Image:
    """The plate rectified, in its own aspect ratio."""
    corners: Corners = np.array([(point.x, point.y) for point in plate.corners], np.float32)
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    across, down = max(1.0, float(sides[0] + sides[2]) / 2), float(sides[1] + sides[3]) / 2
    width = round(min(max(across, PLATE_WIDTH[0]), PLATE_WIDTH[1]))
    height = round(min(max(width * down / across, PLATE_HEIGHT[0]), PLATE_HEIGHT[1]))
    return rectify_plate(image, corners, shape=(height, width))


def _vehicle(image: Image, box: domain_pb2.Box) -> Image:
    area = Box(box.xmin, box.ymin, box.xmax, box.ymax).grown(_VEHICLE_MARGIN).clipped(image.shape[1], image.shape[0])
    return cut_shrunk(image, area, *VEHICLE_SIZE).copy()


def _whole(image: Image) -> Box:
    return Box(0, 0, image.shape[1], image.shape[0])


def _encoded(views: Views) -> tuple[stages_pb2.KeptCrops, bytes]:
    crops = stages_pb2.KeptCrops()
    for plate, vehicle in views.plates:
        crops.plates.add(plate=_webp(plate), vehicle=b"" if vehicle is None else _webp(vehicle))
    return crops, b"" if views.camera is None else _webp(views.camera)


def _webp(image: Image) -> bytes:
    """Encoded by Pillow, whose fastest method takes half the time of OpenCV's only one."""
    buffer = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(image[:, :, ::-1])).save(buffer, "WEBP", quality=_QUALITY, method=0)
    return buffer.getvalue()


def _step_back() -> None:
    """Lower the priority of this thread; on Linux each thread has its own niceness."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
