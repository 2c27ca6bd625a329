"""Headings of vehicles, from their visible side and from the position of the plate."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aggregator.direction import direction
from platelane.pb.v1 import domain_pb2

WIDTH, HEIGHT = 1280, 720


def vehicle(xmin: float = 400, xmax: float = 600, seen: str = "Front", score: float = 0.9) -> domain_pb2.Vehicle:
    return domain_pb2.Vehicle(
        box=domain_pb2.Box(xmin=xmin, ymin=200, xmax=xmax, ymax=350),
        types=[domain_pb2.Scored(value="Sedan", score=0.9)],
        orientations=[domain_pb2.Scored(value=seen, score=score)],
    )


def plate(center: float, slant: float = 0.0) -> domain_pb2.Plate:
    corners = [
        domain_pb2.Point(x=center + x, y=320 + y + slant * x) for x, y in ((-20, -5), (20, -5), (20, 5), (-20, 5))
    ]
    box = domain_pb2.Box(xmin=center - 20, ymin=310, xmax=center + 20, ymax=330)
    return domain_pb2.Plate(box=box, corners=corners)


def heading(center: float, of: domain_pb2.Vehicle) -> domain_pb2.Direction:
    found = direction(plate(center), of, WIDTH, HEIGHT)
    assert found is not None
    return found


@pytest.mark.parametrize(("seen", "degrees"), [("Front", 270), ("Rear", 90)])
def test_a_vehicle_seen_straight_comes_or_goes(seen: str, degrees: float) -> None:
    found = heading(500, vehicle(seen=seen))
    assert found.degrees == pytest.approx(degrees, abs=0.01)
    assert 0.8 < found.score <= 0.9


@pytest.mark.parametrize(
    ("seen", "center", "low", "high"),
    [
        # plate left in the box: the vehicle's body is to the right of its face
        ("Rear", 445, 20, 75),
        ("Rear", 555, 105, 160),
        ("Front", 445, 200, 255),
        ("Front", 555, 285, 340),
    ],
)
def test_a_vehicle_heads_to_the_side_that_it_shows(seen: str, center: float, low: float, high: float) -> None:
    assert low < heading(center, vehicle(seen=seen)).degrees < high


@given(
    center=st.floats(401, 599),
    xmin=st.integers(0, 1000),
    width=st.integers(30, 900),
    seen=st.sampled_from(["Front", "Rear"]),
)
def test_the_mirrored_picture_has_the_mirrored_angle(center: float, xmin: float, width: float, seen: str) -> None:
    assume(xmin + width <= WIDTH)
    place = xmin + (center - 400) / 200 * width
    found = heading(place, vehicle(xmin, xmin + width, seen))
    mirrored = heading(WIDTH - place, vehicle(WIDTH - xmin - width, WIDTH - xmin, seen))
    turned = (found.degrees + mirrored.degrees - 180) % 360
    assert min(turned, 360 - turned) < 0.1
    assert mirrored.score == pytest.approx(found.score, abs=1e-3)
    assert 0 <= found.degrees < 360
    assert 0 <= found.score <= 0.9


@given(st.floats(405, 495))
def test_the_further_from_the_middle_the_more_it_is_turned(center: float) -> None:
    assert heading(center, vehicle()).degrees < heading(center + 5, vehicle()).degrees


def test_the_same_place_means_less_of_a_turn_farther_away() -> None:
    near, far = vehicle(), vehicle(490, 510)
    assert heading(460, near).degrees < heading(496, far).degrees < 270


def test_the_score_falls_where_front_and_rear_are_in_doubt_and_where_the_picture_cuts_the_box() -> None:
    sure = heading(460, vehicle())
    assert heading(460, vehicle(score=0.5)).score == pytest.approx(sure.score * 5 / 9)
    assert heading(60, vehicle(0, 200)).score < 0.9 * sure.score


@pytest.mark.parametrize(
    "of",
    [
        vehicle(seen="Unknown"),
        domain_pb2.Vehicle(box=vehicle().box),
        vehicle(650, 800),
        vehicle(500, 500),
        vehicle(float("nan"), float("nan")),
    ],
)
def test_what_cannot_be_known_is_left_out(of: domain_pb2.Vehicle) -> None:
    assert direction(plate(500), of, WIDTH, HEIGHT) is None


def test_a_motorcycle_is_left_out() -> None:
    motorcycle = vehicle()
    motorcycle.types[0].value = "Motorcycle"
    assert direction(plate(500), motorcycle, WIDTH, HEIGHT) is None


def test_a_plate_without_corners_is_where_its_box_is() -> None:
    bare = plate(460)
    del bare.corners[:]
    assert direction(bare, vehicle(), WIDTH, HEIGHT) == heading(460, vehicle())
