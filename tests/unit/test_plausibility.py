from __future__ import annotations

import pytest

from platelane.pb.v1 import domain_pb2
from platelane.plausibility import OFF_VEHICLES, UNFITTING, WRITING, doubt, fits_likely_region, is_writing


def plate(text: str, **regions: float) -> domain_pb2.Plate:
    found = domain_pb2.Plate(text=text)
    for code, score in regions.items():
        found.regions.add(value=code.replace("_", "-"), score=score)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "lane2",
        "cam03",
        "camera",
        "ch12",
        "citroen",
        "c1troen",
        "taxi",
        "schoolbus",
        "sch0olbus",
        "080o55512",
        "02088515551",
        "20261129",
        "29nov2026",
        "photobyann",
        "wwwplates",
    ],
)
def test_what_cameras_vehicles_and_signs_have_written_on_them(text: str) -> None:
    assert is_writing(text)


@pytest.mark.parametrize("text", ["ab12cde", "7abc123", "12345678", "c4mer4", "b1986kfx", "ch123456", "iluvca", ""])
def test_plates_are_no_writing(text: str) -> None:
    assert not is_writing(text)


@pytest.mark.parametrize(
    ("text", "regions", "fits"),
    [
        ("ab12cde", {"gb": 0.9}, True),
        ("ab12cde", {"de": 0.85, "gb": 0.1}, True),
        ("ab12cde", {"de": 0.95, "gb": 0.05}, False),
        ("7abc123", {"us": 0.6}, True),  # a state's
        ("taxi", {"us": 0.9}, False),
        ("0903123456", {"vn": 0.9}, False),
        ("ab12cde", {}, False),
    ],
)
def test_a_text_may_fit_any_likely_region(text: str, regions: dict[str, float], fits: bool) -> None:
    assert fits_likely_region(plate(text, **regions)) is fits


@pytest.mark.parametrize(
    ("found", "on_vehicle", "off"),
    [
        (plate("ab12cde", gb=0.9), 0.0, 0.0),
        (plate("ab12cd", gb=0.9), UNFITTING, UNFITTING + OFF_VEHICLES),
        (plate("lane2", gb=0.9), WRITING, WRITING + OFF_VEHICLES),
        (plate("zh12345", ch=0.9), 0.0, 0.0),
        (plate("", gb=0.9), 0.0, 0.0),
        (plate("ab12cd"), 0.0, 0.0),
        (plate("ab12cd", ag=0.9), 0.0, 0.0),  # no formats are known of it
    ],
)
def test_writing_is_doubted_most_and_more_where_there_is_no_vehicle(
    found: domain_pb2.Plate, on_vehicle: float, off: float
) -> None:
    assert (doubt(found, on_vehicle=True), doubt(found, on_vehicle=False)) == (on_vehicle, off)
