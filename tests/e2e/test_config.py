"""Every key of `config` changes what is read, shown on real pictures: the sample, and scenes put together from it.

Nothing here depends on exact scores: each test compares two readings of one picture.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageFilter

from .conftest import Stack

PATH = "/v1/plate-reader/"
PLATE = (400, 445, 548, 502)
"""Where the sample's plate is, with a margin."""
ON_THE_PLATE = (478, 474)
ON_THE_GROUND = (975, 628)
ON_THE_CAR = (560, 300)
TEXT = "gk482tv"

Result = dict[str, Any]


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.base_url, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def scene(photo: Path) -> Image.Image:
    with Image.open(photo) as picture:
        return picture.convert("RGB")


def read(
    client: httpx.Client, picture: Image.Image, regions: str = "", camera_id: str = "", **config: Any
) -> list[Result]:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    fields = {"regions": regions, "camera_id": camera_id, "config": json.dumps(config)}
    response = client.post(PATH, data=fields, files={"upload": ("scene.jpg", buffer.getvalue())})
    assert response.status_code == 200, response.text
    results: list[Result] = response.json()["results"]
    return results


def with_plate_at(scene: Image.Image, centre: tuple[int, int], sharpness: float = 1.0) -> Image.Image:
    """The scene with its plate a second time, there with that share of its pixels along each side."""
    plate = scene.crop(PLATE)
    if sharpness < 1:
        coarse = plate.resize((round(plate.width * sharpness), round(plate.height * sharpness)))
        plate = coarse.resize(plate.size)
    picture = scene.copy()
    picture.paste(plate, (centre[0] - plate.width // 2, centre[1] - plate.height // 2))
    return picture


def far_away(scene: Image.Image, times: int) -> Image.Image:
    """Four small copies of the scene in a picture of its size."""
    small = scene.resize((scene.width // times, scene.height // times), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", scene.size, (96, 110, 96))
    for x in (0, small.width):
        for y in (0, small.height):
            picture.paste(small, (x, y))
    return picture


def without_plate(scene: Image.Image) -> Image.Image:
    """The plate painted over with the bumper beside it."""
    picture = scene.copy()
    picture.paste(scene.crop((550, 470, 600, 500)).resize((PLATE[2] - PLATE[0], PLATE[3] - PLATE[1])), PLATE[:2])
    return picture


def at(results: list[Result], point: tuple[int, int]) -> list[Result]:
    """The plates whose box covers a point."""
    x, y = point
    return [
        each
        for each in results
        if each["box"]["xmin"] <= x <= each["box"]["xmax"] and each["box"]["ymin"] <= y <= each["box"]["ymax"]
    ]


def key(result: Result) -> tuple[Any, ...]:
    return (*result["box"].values(), result["plate"], result["dscore"])


def test_mode_fast_looks_once_and_sees_less(client: httpx.Client, scene: Image.Image) -> None:
    """A plate of usual size is read; those of small cars are less sure than with further looks, or missed."""
    (plate,) = read(client, scene, mode="fast")
    assert plate["plate"] == read(client, scene)[0]["plate"]
    regular, fast = (
        read(client, far_away(scene, 4), mode=mode, threshold_o=0, threshold_d=0) for mode in ("regular", "fast")
    )
    assert len(regular) >= len(fast)
    assert sum(each["dscore"] for each in regular) > sum(each["dscore"] for each in fast)


def test_mode_redaction_keeps_plates_that_cannot_be_read(client: httpx.Client, scene: Image.Image) -> None:
    blurred = scene.copy()
    blurred.paste(scene.crop(PLATE).filter(ImageFilter.GaussianBlur(6)), PLATE[:2])
    assert not at(read(client, blurred), ON_THE_PLATE)
    assert at(read(client, blurred, mode="redaction"), ON_THE_PLATE)


def test_mode_redaction_misses_no_plate_of_a_car_with_two(client: httpx.Client, scene: Image.Image) -> None:
    picture = with_plate_at(scene, ON_THE_CAR)
    results = read(client, picture, mode="redaction")
    assert at(results, ON_THE_PLATE)
    assert at(results, ON_THE_CAR)


def test_detection_rule_strict_discards_plates_outside_vehicles(client: httpx.Client, scene: Image.Image) -> None:
    picture = with_plate_at(scene, ON_THE_GROUND)
    [stray] = at(read(client, picture), ON_THE_GROUND)
    assert stray["vehicle"]["type"] == "Unknown"
    strict = read(client, picture, detection_rule="strict")
    assert not at(strict, ON_THE_GROUND)
    assert at(strict, ON_THE_PLATE)


def test_detection_mode_vehicle_shows_cars_without_plates(client: httpx.Client, scene: Image.Image) -> None:
    picture = without_plate(scene)
    assert read(client, picture) == []
    results = read(client, picture, detection_mode="vehicle")
    assert results
    assert all(each["plate"] is None and each["vehicle"] for each in results)


def test_threshold_d_discards_uncertain_plates(client: httpx.Client, scene: Image.Image) -> None:
    picture = far_away(scene, 4)
    everything = read(client, picture, threshold_d=0, threshold_o=0, zoom_in_vehicles=1)
    scores = sorted({each["dscore"] for each in everything})
    assert len(scores) > 1
    middle = (scores[-1] + scores[-2]) / 2
    kept = read(client, picture, threshold_d=middle, threshold_o=0, zoom_in_vehicles=1)
    assert [key(each) for each in kept] == [key(each) for each in everything if each["dscore"] > middle]
    assert read(client, picture, threshold_d=1, threshold_o=0) == []


def test_threshold_o_discards_uncertain_readings(client: httpx.Client, scene: Image.Image) -> None:
    picture = with_plate_at(scene, ON_THE_CAR, sharpness=0.14)
    everything = read(client, picture, plates_per_vehicle=2, threshold_d=0, threshold_o=0)
    scores = sorted({each["score"] for each in everything})
    assert len(scores) > 1
    middle = (scores[-1] + scores[-2]) / 2
    kept = read(client, picture, plates_per_vehicle=2, threshold_d=0, threshold_o=middle)
    assert [key(each) for each in kept] == [key(each) for each in everything if each["score"] > middle]


def test_plates_per_vehicle(client: httpx.Client, scene: Image.Image) -> None:
    picture = with_plate_at(scene, ON_THE_CAR)
    [best] = read(client, picture)
    both = read(client, picture, plates_per_vehicle=2)
    assert at(both, ON_THE_PLATE)
    assert at(both, ON_THE_CAR)
    assert best["vehicle"]["box"] == both[0]["vehicle"]["box"] == both[1]["vehicle"]["box"]


def test_zoom_in_vehicles_is_how_many_get_a_second_look(client: httpx.Client, scene: Image.Image) -> None:
    picture = far_away(scene, 5)
    first_looks = {key(each) for each in read(client, picture, zoom_in_vehicles=0, threshold_o=0)}

    def second_looks(limit: int) -> int:
        seen = read(client, picture, zoom_in_vehicles=limit, threshold_o=0)
        return sum(key(each) not in first_looks for each in seen)

    assert second_looks(1) <= 1
    assert second_looks(2) <= 2
    assert second_looks(32) > second_looks(1)


@pytest.mark.parametrize(
    "config", [{"mode": "exact"}, {"unknown": [1]}, {"threshold_d": "high"}, {"plates_per_vehicle": None}]
)
def test_what_is_not_known_changes_nothing(client: httpx.Client, scene: Image.Image, config: dict[str, Any]) -> None:
    assert [key(each) for each in read(client, scene, **config)] == [key(each) for each in read(client, scene)]


def test_a_detection_zone_hides_what_is_in_it(client: httpx.Client, scene: Image.Image) -> None:
    """Plates in plate mode and vehicles in vehicle mode, for that camera only, from the next picture on."""
    picture = with_plate_at(scene, ON_THE_GROUND)
    assert at(read(client, picture, camera_id="zoned"), ON_THE_GROUND)
    corner = [[0.6, 0.75], [1, 0.75], [1, 1], [0.6, 1]]
    client.put("/v1/zones/zoned", json={"zones": [{"name": "poster", "polygon": corner}]}).raise_for_status()
    results = read(client, picture, camera_id="zoned")
    assert not at(results, ON_THE_GROUND)
    assert at(results, ON_THE_PLATE)
    assert at(read(client, picture, camera_id="other"), ON_THE_GROUND)
    everything = [[0, 0], [1, 0], [1, 1], [0, 1]]
    client.put("/v1/zones/zoned", json={"zones": [{"polygon": everything}]}).raise_for_status()
    assert read(client, picture, camera_id="zoned", detection_mode="vehicle") == []
    client.delete("/v1/zones/zoned").raise_for_status()
    assert at(read(client, picture, camera_id="zoned"), ON_THE_GROUND)
