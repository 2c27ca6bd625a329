"""Small pictures: what they show, when a camera's is due, and that they delay nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from detector import picture_keeper
from detector.picture_keeper import PictureKeeper, cut_views
from platelane.errors import EngineUnavailable
from platelane.pb.v1 import domain_pb2, stages_pb2
from tests.stages import context

PHOTO = np.full((720, 1280, 3), (200, 100, 50), np.uint8)


class Bucket:
    """Keeps what is put into it, or refuses to."""

    def __init__(self, *, broken: bool = False) -> None:
        self.stored: dict[str, bytes] = {}
        self._broken = broken

    async def put(self, subject: str, data: bytes) -> int | None:
        if self._broken:
            raise EngineUnavailable("away")
        self.stored[subject] = data
        return 1


def plate(xmin: float, ymin: float, xmax: float, ymax: float, crop: int | None) -> domain_pb2.Plate:
    corners = [domain_pb2.Point(x=x, y=y) for x, y in ((xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax))]
    return domain_pb2.Plate(corners=corners, crop=crop)


def part(*, camera: str = "gate", vehicle: bool = True) -> stages_pb2.DetectionPart:
    owner = context("job", "account")
    owner.camera_id = camera
    box = domain_pb2.Box(xmin=100, ymin=100, xmax=900, ymax=700)
    return stages_pb2.DetectionPart(
        context=owner,
        plates=[plate(400, 600, 540, 640, 0)],
        vehicles=[domain_pb2.Vehicle(box=box)] if vehicle else [],
        plate_vehicle=[0 if vehicle else -1],
    )


def shape(webp: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(webp)) as picture:
        assert picture.format == "WEBP"
        return picture.size


async def test_pictures_of_plate_vehicle_and_camera_are_kept() -> None:
    crops, cameras = Bucket(), Bucket()
    keeper = PictureKeeper(crops, cameras)
    await keeper.keep(PHOTO, part())
    await keeper.settled()
    [kept] = stages_pb2.KeptCrops.FromString(crops.stored["$KV.CROPS.job"]).plates
    assert shape(kept.plate) == (140, 40)
    assert shape(kept.vehicle) == (256, 187)
    assert shape(cameras.stored["$KV.CAMERAS.account.gate"]) == (640, 360)
    with Image.open(io.BytesIO(kept.plate)) as picture:
        assert np.asarray(picture.convert("RGB"))[20, 70] == pytest.approx((50, 100, 200), abs=8)


async def test_of_a_camera_one_picture_in_ten_seconds_is_kept() -> None:
    now = [0.0]
    cameras = Bucket()
    keeper = PictureKeeper(Bucket(), cameras, lambda: now[0])
    for now[0], camera in ((0.0, "gate"), (9.9, "gate"), (9.9, "yard"), (9.9, ""), (10.0, "gate")):
        cameras.stored.clear()
        await keeper.keep(PHOTO, part(camera=camera))
        await keeper.settled()
        expected = {f"$KV.CAMERAS.account.{camera}"} if (now[0], camera) != (9.9, "gate") and camera else set()
        assert cameras.stored.keys() == expected


async def test_more_than_can_be_encoded_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_keeper, "WAITING", 0)
    crops = Bucket()
    keeper = PictureKeeper(crops, Bucket())
    await keeper.keep(PHOTO, part())
    await keeper.settled()
    assert not crops.stored


async def test_a_bucket_that_is_away_harms_nobody() -> None:
    keeper = PictureKeeper(Bucket(broken=True), Bucket(broken=True))
    await keeper.keep(PHOTO, part())
    await keeper.settled()


@pytest.mark.parametrize(
    ("corners", "size"),
    [
        ((10, 10, 1210, 210), (256, 43)),  # made smaller
        ((10, 10, 30, 20), (64, 32)),  # made larger
        ((10, 10, 110, 11), (100, 24)),
        ((10, 10, 40, 700), (64, 160)),
    ],
)
def test_a_plate_keeps_its_aspect_ratio_within_bounds(
    corners: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    message = stages_pb2.DetectionPart(plates=[plate(*corners, 0), plate(*corners, None)], plate_vehicle=[-1, -1])
    [(view, vehicle)] = cut_views(PHOTO, message, camera=False).plates
    assert view.shape == (size[1], size[0], 3)
    assert vehicle is None


def test_views_do_not_hold_on_to_the_photograph() -> None:
    small: NDArray[np.uint8] = PHOTO[:100, :100].copy()
    message = part()
    message.vehicles[0].box.CopyFrom(domain_pb2.Box(xmin=10, ymin=10, xmax=60, ymax=60))
    message.plates[0].CopyFrom(plate(20, 20, 40, 30, 0))
    [(view, vehicle)] = cut_views(small, message, camera=False).plates
    assert vehicle is not None
    assert not np.shares_memory(view, small)
    assert not np.shares_memory(vehicle, small)
