"""Properties of the JSON of recognitions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane.pb.v1 import domain_pb2
from platelane.rest_json import Usage, recognition_body, score, timestamp

TIME = 1_579_194_000_000_000  # 2020-01-16 17:00:00

coordinates = st.floats(-1e6, 1e6) | st.sampled_from([float("inf"), float("-inf"), float("nan")])
scores = st.floats(-1, 2) | st.just(float("nan"))
texts = st.text("abcdefghij0123456789", max_size=8)
boxes = st.builds(domain_pb2.Box, xmin=coordinates, ymin=coordinates, xmax=coordinates, ymax=coordinates)
scored = st.lists(st.builds(domain_pb2.Scored, value=texts, score=scores), max_size=7)
years = st.sampled_from([0, 2006, 2013])
plates = st.builds(
    domain_pb2.Plate,
    box=boxes,
    corners=st.just([]) | st.lists(st.builds(domain_pb2.Point, x=coordinates, y=coordinates), min_size=4, max_size=4),
    detection_score=scores,
    text=texts,
    text_score=scores,
    candidates=scored,
    regions=scored,
)
vehicles = st.builds(
    domain_pb2.Vehicle,
    box=boxes,
    detection_score=scores,
    types=scored,
    colors=scored,
    orientations=scored,
    make_models=st.lists(
        st.builds(domain_pb2.MakeModel, make=texts, model=texts, score=scores, first_year=years, last_year=years),
        max_size=5,
    ),
)
sightings = st.builds(domain_pb2.Sighting, plate=st.none() | plates, vehicle=st.none() | vehicles)
recognitions = st.builds(
    domain_pb2.Recognition,
    camera_id=st.text(max_size=5),
    filename=st.text(max_size=5),
    timestamp_us=st.just(TIME),
    image_width=st.integers(1, 5000),
    image_height=st.integers(1, 5000),
    sightings=st.lists(sightings, max_size=4),
    options=st.builds(domain_pb2.Options, vehicles=st.booleans(), make_model_color=st.booleans()),
)


def objects(value: Any) -> list[dict[str, Any]]:
    """Every dictionary in a JSON value."""
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in objects(inner))]
    return [found for inner in value for found in objects(inner)] if isinstance(value, list) else []


@given(recognitions)
def test_boxes_are_whole_pixels_inside_the_picture(recognition: domain_pb2.Recognition) -> None:
    body = recognition_body(recognition)
    # a plate outside every vehicle has a vehicle of score 0 whose box is all zero
    found = [each["box"] for each in objects(body) if "box" in each and any(each["box"].values())]
    for box in found:
        assert list(box) == ["xmin", "ymin", "xmax", "ymax"]
        assert all(type(value) is int for value in box.values())
        assert 0 <= box["xmin"] < box["xmax"] <= max(1, recognition.image_width - 1)
        assert 0 <= box["ymin"] < box["ymax"] <= max(1, recognition.image_height - 1)
    expected = sum(seen.HasField("plate") for seen in recognition.sightings)
    plate_boxes = [each for each in objects(body) if "polygon" in each]
    assert len(plate_boxes) == expected
    assert all(any(each["box"].values()) for each in plate_boxes)


@given(recognitions)
def test_scores_are_probabilities_with_three_decimals(recognition: domain_pb2.Recognition) -> None:
    for each in objects(recognition_body(recognition)):
        for name in ("score", "dscore"):
            if name in each:
                assert 0 <= each[name] <= 1
                assert each[name] == round(each[name], 3)


@given(recognitions)
def test_lists_that_clients_index_are_never_empty_nor_long(recognition: domain_pb2.Recognition) -> None:
    for each in objects(recognition_body(recognition)):
        for name, most in (
            ("candidates", 5),
            ("model_make", 3),
            ("make_model", 3),
            ("color", 3),
            ("orientation", 3),
            ("year", 3),
            ("region", 3),
        ):
            if isinstance(each.get(name), list):
                assert 1 <= len(each[name]) <= most


@given(recognitions)
def test_top_level_keys_come_in_order_and_the_body_is_json(recognition: domain_pb2.Recognition) -> None:
    body = recognition_body(recognition, usage=Usage(7, 100))
    first = ["processing_time", "results", "filename", "version", "camera_id", "timestamp", "usage"]
    assert list(body)[: len(first)] == first
    assert body["usage"] == {"calls": 7, "max_calls": 100}
    assert "error" not in body
    assert json.loads(json.dumps(body, allow_nan=False)) == body


@given(recognitions.filter(lambda recognition: not recognition.options.vehicles))
def test_plate_mode_keys(recognition: domain_pb2.Recognition) -> None:
    keys = ["box", "plate", "region", "score", "candidates", "dscore", "vehicle"]
    if recognition.options.make_model_color:
        keys += ["model_make", "color", "orientation"]
    for result in recognition_body(recognition)["results"]:
        assert [key for key in result if key != "year"] == [*keys, "polygon"]
        assert list(result["region"]) == ["code", "score"]
        assert list(result["vehicle"]) == ["score", "type", "box"]
        assert isinstance(result["plate"], str)


def seen(*, plate: bool = True, vehicle: bool = True) -> domain_pb2.Sighting:
    sighting = domain_pb2.Sighting()
    if plate:
        sighting.plate.CopyFrom(
            domain_pb2.Plate(
                box=domain_pb2.Box(xmin=143.4, ymin=481.2, xmax=282.4, ymax=574.9),
                detection_score=0.99,
                text="nhk552",
                text_score=0.90449,
                candidates=[
                    domain_pb2.Scored(value="nhk552", score=0.90449),
                    domain_pb2.Scored(value="nhk55z", score=0.7),
                ],
                regions=[domain_pb2.Scored(value="gb", score=0.747)],
                corners=[domain_pb2.Point(x=x, y=y) for x, y in ((143, 482), (282, 481), (281, 574), (144, 575))],
            )
        )
    if vehicle:
        sighting.vehicle.CopyFrom(
            domain_pb2.Vehicle(
                box=domain_pb2.Box(xmin=67, ymin=113, xmax=908, ymax=653),
                detection_score=0.5,
                types=[domain_pb2.Scored(value="Sedan", score=0.798)],
                make_models=[domain_pb2.MakeModel(make="Riley", model="RMF", score=0.306)],
                colors=[domain_pb2.Scored(value="black", score=0.937)],
                orientations=[domain_pb2.Scored(value="Front", score=0.937)],
            )
        )
    return sighting


def recognition(*sightings: domain_pb2.Sighting, **options: Any) -> domain_pb2.Recognition:
    return domain_pb2.Recognition(
        filename="car.jpg",
        timestamp_us=TIME,
        image_width=1280,
        image_height=720,
        sightings=sightings,
        processing_ms=288.7584,
        options=domain_pb2.Options(**options),
    )


def test_the_documented_answer() -> None:
    body = recognition_body(recognition(seen(), make_model_color=True), usage=Usage(44, 1000), zulu=False)
    assert body == {
        "processing_time": 288.758,
        "results": [
            {
                "box": {"xmin": 143, "ymin": 481, "xmax": 282, "ymax": 575},
                "plate": "nhk552",
                "region": {"code": "gb", "score": 0.747},
                "score": 0.904,
                "candidates": [{"score": 0.904, "plate": "nhk552"}, {"score": 0.7, "plate": "nhk55z"}],
                "dscore": 0.99,
                "vehicle": {
                    "score": 0.798,
                    "type": "Sedan",
                    "box": {"xmin": 67, "ymin": 113, "xmax": 908, "ymax": 653},
                },
                "model_make": [{"make": "Riley", "model": "RMF", "score": 0.306}],
                "color": [{"color": "black", "score": 0.937}],
                "orientation": [{"orientation": "Front", "score": 0.937}],
                "polygon": [[143, 482], [282, 481], [281, 574], [144, 575]],
            }
        ],
        "filename": "car.jpg",
        "version": 1,
        "camera_id": None,
        "timestamp": "2020-01-16 17:00:00.000000",
        "usage": {"calls": 44, "max_calls": 1000},
        "image_width": 1280,
        "image_height": 720,
    }


def test_a_plate_without_a_vehicle_has_the_value_for_none() -> None:
    [result] = recognition_body(recognition(seen(vehicle=False), make_model_color=True))["results"]
    assert result["vehicle"] == {
        "score": 0.0,
        "type": "Unknown",
        "box": {"xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0},
    }
    assert result["model_make"] == [{"make": "generic", "model": "Unknown", "score": 0.0}]
    assert result["color"] == [{"color": "unknown", "score": 0.0}]
    assert result["orientation"] == [{"orientation": "Unknown", "score": 0.0}]


def test_years_are_those_of_likely_models_summed() -> None:
    models = [
        ("Audi A4", 0.3, 2008, 2015),
        ("BMW 3", 0.25, 2006, 2013),
        ("BMW 5", 0.16, 2006, 2013),
        ("Riley", 0.1, 0, 0),
        ("Ford", 0.06, 1998, 2001),
        ("Opel", 0.05, 2001, 2001),
    ]
    known = seen()
    del known.vehicle.make_models[:]
    known.vehicle.make_models.extend(
        domain_pb2.MakeModel(make=make, score=score, first_year=first, last_year=last)
        for make, score, first, last in models
    )
    expected = [
        {"year_range": [2006, 2013], "score": 0.41},
        {"year_range": [2008, 2015], "score": 0.3},
        {"year_range": [1998, 2001], "score": 0.06},
    ]
    [result, other] = recognition_body(recognition(known, seen(), make_model_color=True))["results"]
    assert result["year"] == expected
    assert "year" not in other
    [result] = recognition_body(recognition(known, vehicles=True))["results"]
    assert result["vehicle"]["props"]["year"] == expected
    [result] = recognition_body(recognition(known))["results"]
    assert "year" not in result


def test_direction_where_it_is_known_in_whole_degrees() -> None:
    known, unknown = seen(), seen()
    known.vehicle.direction.CopyFrom(domain_pb2.Direction(degrees=359.7, score=0.8764))
    for vehicles in (False, True):
        first, second = recognition_body(recognition(known, unknown, vehicles=vehicles))["results"]
        assert (first["direction"], first["direction_score"]) == (0, 0.876)
        assert not {"direction", "direction_score"} & second.keys()


def test_plate_mode_leaves_out_vehicles_without_a_plate_and_keeps_the_order() -> None:
    best = seen()
    best.plate.text = "first"
    results = recognition_body(recognition(best, seen(plate=False), seen()))["results"]
    assert [result["plate"] for result in results] == ["first", "nhk552"]
    assert "model_make" not in results[0]


def test_vehicle_mode() -> None:
    both, only_vehicle, only_plate = recognition_body(
        recognition(seen(), seen(plate=False), seen(vehicle=False), vehicles=True)
    )["results"]
    assert both == {
        "plate": {
            "type": "Plate",
            "score": 0.99,
            "box": {"xmin": 143, "ymin": 481, "xmax": 282, "ymax": 575},
            "props": {
                "plate": [{"value": "nhk552", "score": 0.904}, {"value": "nhk55z", "score": 0.7}],
                "region": [{"value": "gb", "score": 0.747}],
            },
            "polygon": [[143, 482], [282, 481], [281, 574], [144, 575]],
        },
        "vehicle": {
            "type": "Sedan",
            "score": 0.798,
            "box": {"xmin": 67, "ymin": 113, "xmax": 908, "ymax": 653},
            "props": {
                "make_model": [{"make": "Riley", "model": "RMF", "score": 0.306}],
                "orientation": [{"value": "Front", "score": 0.937}],
                "color": [{"value": "black", "score": 0.937}],
            },
        },
    }
    assert only_vehicle["plate"] is None
    assert only_plate["vehicle"] is None


@pytest.mark.parametrize(
    ("microseconds", "zulu", "text"),
    [
        (TIME, True, "2020-01-16T17:00:00.000000Z"),
        (TIME + 574_008, True, "2020-01-16T17:00:00.574008Z"),
        (TIME + 896_406, False, "2020-01-16 17:00:00.896406"),
        (-1, True, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_timestamps(microseconds: int, zulu: bool, text: str) -> None:
    assert timestamp(microseconds, zulu=zulu) == text


def test_scores_are_cut_to_probabilities() -> None:
    assert [score(value) for value in (-0.1, 0.12345, 1.2, float("nan"))] == [0.0, 0.123, 1.0, 0.0]


def test_usage_is_left_out_of_the_cloud_answer() -> None:
    assert "usage" not in recognition_body(recognition(seen()))


@pytest.mark.parametrize("vehicles", [False, True])
def test_characters_are_told_where_they_are_wanted(vehicles: bool) -> None:
    sighting = seen()
    sighting.plate.character_scores.extend([0.99, 0.98, 0.5, 0.97, 0.96, 0.95])
    sighting.plate.candidates[1].character_scores.extend([0.99, 0.98, 0.5, 0.97, 0.96, 0.4444])
    recognition = domain_pb2.Recognition(
        image_width=800, image_height=600, sightings=[sighting], options=domain_pb2.Options(vehicles=vehicles)
    )
    assert not any("characters" in each for each in objects(recognition_body(recognition)))
    recognition.options.characters = True
    [result] = recognition_body(recognition)["results"]
    plate = result["plate"] if vehicles else result
    candidates = plate["props"]["plate"] if vehicles else plate["candidates"]
    assert plate["characters"][2] == {"char": "k", "score": 0.5}
    assert "".join(each["char"] for each in candidates[1]["characters"]) == "nhk55z"
    assert candidates[1]["characters"][5] == {"char": "z", "score": 0.444}
