from __future__ import annotations

import numpy as np

from detector.handler import _part, cut
from detector.search import MAX_PLATES, Found, FoundPlate, FoundVehicle
from platelane.crops import rectify_plate
from platelane.geometry import Box
from platelane.pb.v1 import domain_pb2, stages_pb2


def test_every_plate_is_cut_by_its_corners_by_the_second_ones_and_by_its_box() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    boxes = (Box(20, 30, 120, 70), Box(150, 100, 250, 150))
    slants = [box.corners() + np.array([[0, 8], [0, 0], [0, -8], [0, 0]], np.float32) for box in boxes]
    again = [corners + np.float32(1) for corners in slants]
    plates = tuple(FoundPlate(*corners, 0.9, None) for corners in zip(boxes, slants, again, strict=True))
    crops = cut(photo, Found(plates, ()), [])
    others = [again[0], boxes[0].corners(), again[1], boxes[1].corners()]
    assert crops.plates == [rectify_plate(photo, corners).tobytes() for corners in slants]
    assert crops.other_plates == [rectify_plate(photo, corners).tobytes() for corners in others]
    assert crops.vehicles == []


def test_of_very_many_plates_each_is_cut_once() -> None:
    photo = np.zeros((200, 300, 3), dtype=np.uint8)
    box = Box(20, 30, 120, 70)
    plates = (FoundPlate(box, box.corners(), box.corners(), 0.9, None),) * (MAX_PLATES + 1)
    crops = cut(photo, Found(plates, ()), [])
    assert len(crops.plates) == MAX_PLATES + 1
    assert crops.other_plates == []


def test_a_vehicle_in_a_zone_goes_along_only_with_its_plate_and_is_not_reported() -> None:
    photo = np.zeros((100, 200, 3), dtype=np.uint8)
    left = domain_pb2.Polygon(points=[domain_pb2.Point(x=x, y=y) for x, y in ((0, 0), (0.5, 0), (0.5, 1), (0, 1))])
    inside, empty, outside = (FoundVehicle(Box(x, 10, x + 60, 90), 0.9) for x in (20, 30, 120))
    plate = FoundPlate(Box(60, 70, 80, 75), Box(60, 70, 80, 75).corners(), Box(60, 70, 80, 75).corners(), 0.9, 0)
    job = stages_pb2.Job(options=domain_pb2.Options(vehicles=True, excluded=[left]))
    part = _part(job, photo, Found((plate,), (inside, empty, outside)))
    assert [vehicle.box.xmin for vehicle in part.vehicles] == [120, 20]
    assert part.reported_vehicles == 1
    assert list(part.plate_vehicle) == [1]
    job.options.vehicles = False
    part = _part(job, photo, Found((plate,), (inside, empty, outside)))
    assert [vehicle.box.xmin for vehicle in part.vehicles] == [20]
    assert (part.reported_vehicles, list(part.plate_vehicle)) == (0, [0])
