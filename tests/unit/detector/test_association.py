from __future__ import annotations

from detector.association import associate
from platelane.vision.geometry import Box


def test_a_plate_belongs_to_the_vehicle_around_it() -> None:
    assert associate([Box(40, 70, 60, 78)], [Box(200, 0, 300, 100), Box(0, 0, 100, 100)]) == [1]


def test_a_plate_outside_every_vehicle_has_none() -> None:
    assert associate([Box(150, 70, 170, 78)], [Box(0, 0, 100, 100)]) == [None]


def test_of_two_overlapping_vehicles_the_one_takes_it_where_plates_sit() -> None:
    # the rear car stands behind the front one; both boxes contain the plate
    front, behind = Box(0, 100, 200, 300), Box(60, 0, 260, 290)
    assert associate([Box(80, 250, 120, 262)], [behind, front]) == [1]


def test_each_of_two_plates_in_a_queue_finds_its_own_car() -> None:
    front, behind = Box(0, 100, 200, 300), Box(120, 60, 320, 270)
    assert associate([Box(80, 250, 120, 262), Box(205, 220, 240, 231)], [front, behind]) == [0, 1]


def test_a_second_plate_on_one_vehicle_is_still_its_plate() -> None:
    assert associate([Box(40, 70, 60, 78), Box(70, 70, 90, 78)], [Box(0, 0, 100, 100)]) == [0, 0]


def test_a_close_up_of_a_plate_is_not_a_vehicle() -> None:
    assert associate([Box(2, 2, 98, 40)], [Box(0, 0, 100, 50)]) == [None]
