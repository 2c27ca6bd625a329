from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.handler import Detector, crop, detection_part
from detector.search import Found, FoundPlate, FoundVehicle
from platelane.errors import BadImage
from platelane.pb.v1 import domain_pb2, stages_pb2
from platelane.reporting import MAX_PLATES
from platelane.vision.crops import ALIGNER_MARGIN, corners_in_crop, rectify_plate
from platelane.vision.geometry import Box
from tests.models import CALIBRATION
from tests.stages import Models, Outputs, Published, context, decode_here, info


def test_every_plate_is_cut_by_its_corners_by_the_second_ones_and_by_its_box() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = (Box(20, 30, 120, 70), Box(150, 100, 250, 150))
    slants = [box.corners() + np.array([[0, 8], [0, 0], [0, -8], [0, 0]], np.float32) for box in boxes]
    again = [corners + np.float32(1) for corners in slants]
    plates = tuple(
        FoundPlate(box, box, first, second, 0.9, None) for box, first, second in zip(boxes, slants, again, strict=True)
    )
    crops = crop(photo, Found(plates, ()), [])
    others = [again[0], boxes[0].corners(), again[1], boxes[1].corners()]
    assert crops.plates == [rectify_plate(photo, corners).tobytes() for corners in slants]
    assert crops.other_plates == [rectify_plate(photo, corners).tobytes() for corners in others]
    assert crops.vehicles == []


def test_of_very_many_plates_each_is_cut_once() -> None:
    photo = np.zeros((200, 300, 3), dtype=np.uint8)
    box = Box(20, 30, 120, 70)
    plates = (FoundPlate(box, box, box.corners(), box.corners(), 0.9, None),) * (MAX_PLATES + 1)
    crops = crop(photo, Found(plates, ()), [])
    assert len(crops.plates) == MAX_PLATES + 1
    assert crops.other_plates == []


def test_a_vehicle_in_a_zone_goes_along_only_with_its_plate_and_is_not_reported() -> None:
    photo = np.zeros((100, 200, 3), dtype=np.uint8)
    left = domain_pb2.Polygon(points=[domain_pb2.Point(x=x, y=y) for x, y in ((0, 0), (0.5, 0), (0.5, 1), (0, 1))])
    inside, empty, outside = (FoundVehicle(Box(x, 10, x + 60, 90), 0.9) for x in (20, 30, 120))
    box = Box(60, 70, 80, 75)
    plate = FoundPlate(box, box, box.corners(), box.corners(), 0.9, 0)
    job = stages_pb2.Job(options=domain_pb2.Options(vehicles=True, excluded=[left]))
    part = detection_part(job, photo, Found((plate,), (inside, empty, outside)))
    assert [vehicle.box.xmin for vehicle in part.vehicles] == [120, 20]
    assert part.reported_vehicles == 1
    assert list(part.plate_vehicle) == [1]
    job.options.vehicles = False
    part = detection_part(job, photo, Found((plate,), (inside, empty, outside)))
    assert [vehicle.box.xmin for vehicle in part.vehicles] == [20]
    assert (part.reported_vehicles, list(part.plate_vehicle)) == (0, [0])


def detections(*rows: tuple[float, float, float, float, float, int]) -> Callable[[int], Outputs]:
    """The detector's outputs: in every picture the same boxes (xmin, ymin, xmax, ymax, score, class)."""

    def answer(count: int) -> Outputs:
        table = np.array(rows, np.float32).reshape(-1, 6)
        boxes = table[:, :4]
        corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]]
        found: dict[str, NDArray[Any]] = {
            "boxes": boxes,
            "scores": table[:, 4],
            "classes": table[:, 5].astype(np.int64),
            "corners": corners,
        }
        return {name: np.repeat(value[None], count, axis=0) for name, value in found.items()}

    return answer


def refined(count: int) -> Outputs:
    """The aligner's outputs: corners stay where they were."""
    return {"corners": np.stack([corners_in_crop(ALIGNER_MARGIN)] * count)}


def photo() -> bytes:
    encoded = cv2.imencode(".png", np.zeros((384, 640, 3), np.uint8))[1]
    return bytes(encoded)


def models(*rows: tuple[float, float, float, float, float, int]) -> Models:
    return Models({"detector": detections(*rows), "aligner": refined})


CAR = (100, 100, 160, 150, 0.9, 1)
PLATE = (120, 130, 140, 136, 0.95, 0)


async def test_the_detection_part_is_stored_before_the_crops() -> None:
    bus = Published()
    options = domain_pb2.Options(mode=domain_pb2.MODE_FAST, regions=["de"], make_model_color=True)
    job = stages_pb2.Job(context=context(), options=options, image=photo())
    await Detector(bus, models(CAR, PLATE), CALIBRATION, decode_here)(job, info())
    assert bus.subjects == ["platelane.parts.job.detection", "platelane.crops.plates", "platelane.crops.vehicles"]
    part, plates, vehicles = (message for _, message in bus.messages)
    assert isinstance(part, stages_pb2.DetectionPart)
    assert list(part.due) == [stages_pb2.STAGE_PLATES, stages_pb2.STAGE_VEHICLES]
    assert (part.image_width, part.image_height) == (640, 384)
    assert isinstance(plates, stages_pb2.PlateCrops)
    assert list(plates.options.regions) == ["de"]
    assert (len(plates.crops), len(plates.other_crops)) == (1, 2)
    assert isinstance(vehicles, stages_pb2.VehicleCrops)
    assert len(vehicles.crops) == 1
    assert bus.deadlines == {job.context.deadline_us / 1e6}


async def test_a_picture_of_nothing_is_a_part_with_nothing_due() -> None:
    bus = Published()
    job = stages_pb2.Job(context=context(), options=domain_pb2.Options(zoom_in_vehicles=0), image=photo())
    await Detector(bus, models(), CALIBRATION, decode_here)(job, info())
    [(_, part)] = bus.messages
    assert isinstance(part, stages_pb2.DetectionPart)
    assert not part.due


async def test_a_broken_picture_is_the_callers_error() -> None:
    job = stages_pb2.Job(context=context(), image=photo()[:40])
    with pytest.raises(BadImage):
        await Detector(Published(), models(), CALIBRATION, decode_here)(job, info())


class Kept:
    """A keeper that notes which plates it is to keep."""

    def __init__(self) -> None:
        self.crops: list[int] = []

    async def keep(self, _image: NDArray[np.uint8], part: stages_pb2.DetectionPart) -> None:
        self.crops += [plate.crop for plate in part.plates if plate.HasField("crop")]


@pytest.mark.parametrize(("mode", "kept"), [(domain_pb2.MODE_FAST, [0]), (domain_pb2.MODE_REDACTION, [])])
async def test_plates_get_the_number_of_their_kept_crop_except_in_redaction(
    mode: domain_pb2.Mode, kept: list[int]
) -> None:
    bus, keeper = Published(), Kept()
    job = stages_pb2.Job(context=context(), options=domain_pb2.Options(mode=mode), image=photo())
    await Detector(bus, models(CAR, PLATE), CALIBRATION, decode_here, keeper)(job, info())
    part = bus.messages[0][1]
    assert isinstance(part, stages_pb2.DetectionPart)
    assert keeper.crops == kept
    assert [plate.crop for plate in part.plates if plate.HasField("crop")] == kept


async def test_without_a_keeper_no_plate_has_a_number() -> None:
    bus = Published()
    job = stages_pb2.Job(context=context(), options=domain_pb2.Options(mode=domain_pb2.MODE_FAST), image=photo())
    await Detector(bus, models(CAR, PLATE), CALIBRATION, decode_here)(job, info())
    part = bus.messages[0][1]
    assert isinstance(part, stages_pb2.DetectionPart)
    assert not any(plate.HasField("crop") for plate in part.plates)
