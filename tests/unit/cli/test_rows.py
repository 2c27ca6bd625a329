from __future__ import annotations

from pathlib import Path

from platelane.cli.client import PhotoReading
from platelane.cli.rows import COLUMNS, rows

PLATE_MODE = {
    "processing_time": 42.5,
    "results": [
        {
            "box": {"xmin": 10, "ymin": 20, "xmax": 110, "ymax": 50},
            "plate": "ab12cde",
            "region": {"code": "gb", "score": 0.9},
            "score": 0.95,
            "candidates": [{"score": 0.95, "plate": "ab12cde"}],
            "dscore": 0.8,
            "vehicle": {"score": 0.7, "type": "Sedan", "box": {"xmin": 0, "ymin": 0, "xmax": 200, "ymax": 100}},
            "model_make": [{"make": "Ford", "model": "Focus", "score": 0.5}],
            "color": [{"color": "red", "score": 0.6}],
            "orientation": [{"orientation": "Front", "score": 0.7}],
        }
    ],
    "filename": "photo.jpg",
    "version": 1,
    "camera_id": "gate",
    "timestamp": "2026-11-20T10:00:00Z",
}

VEHICLE_MODE = PLATE_MODE | {
    "results": [
        {
            "plate": {
                "type": "Plate",
                "score": 0.8,
                "box": {"xmin": 10, "ymin": 20, "xmax": 110, "ymax": 50},
                "props": {"plate": [{"value": "ab12cde", "score": 0.95}], "region": [{"value": "gb", "score": 0.9}]},
            },
            "vehicle": {
                "type": "Sedan",
                "score": 0.7,
                "box": {"xmin": 0, "ymin": 0, "xmax": 200, "ymax": 100},
                "props": {
                    "make_model": [{"make": "Ford", "model": "Focus", "score": 0.5}],
                    "orientation": [{"value": "Front", "score": 0.7}],
                    "color": [{"value": "red", "score": 0.6}],
                },
            },
        },
        {
            "plate": None,
            "vehicle": {"type": "Bus", "score": 0.6, "box": {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}, "props": {}},
        },
    ]
}

PHOTO = Path("photo.jpg")


def test_one_row_for_a_plate() -> None:
    (row,) = rows(PhotoReading(PHOTO, PLATE_MODE))
    assert row == {
        "file": "photo.jpg",
        "plate": "ab12cde",
        "score": 0.95,
        "region": "gb",
        "region_score": 0.9,
        "dscore": 0.8,
        "xmin": 10,
        "ymin": 20,
        "xmax": 110,
        "ymax": 50,
        "vehicle": "Sedan",
        "vehicle_score": 0.7,
        "make": "Ford",
        "model": "Focus",
        "color": "red",
        "orientation": "Front",
        "camera_id": "gate",
        "timestamp": "2026-11-20T10:00:00Z",
        "processing_time": 42.5,
    }
    assert {*row, "error"} == {*COLUMNS}


def test_vehicle_mode_has_the_same_columns() -> None:
    plate_mode, bus = rows(PhotoReading(PHOTO, VEHICLE_MODE))
    assert plate_mode == rows(PhotoReading(PHOTO, PLATE_MODE))[0]
    assert (bus["plate"], bus["vehicle"], bus["xmin"]) == (None, "Bus", 1)


def test_without_make_and_model() -> None:
    result = {key: value for key, value in PLATE_MODE["results"][0].items() if key != "model_make"}  # type: ignore[index]
    (row,) = rows(PhotoReading(PHOTO, PLATE_MODE | {"results": [result]}))
    assert (row["make"], row["model"]) == (None, None)


def test_a_photo_without_results_has_a_row() -> None:
    (row,) = rows(PhotoReading(PHOTO, PLATE_MODE | {"results": []}))
    assert row["file"] == "photo.jpg"
    assert "plate" not in row


def test_a_photo_that_was_not_read_has_its_error() -> None:
    answer = {"detail": "no image", "error": "no image", "status_code": 400}
    assert rows(PhotoReading(PHOTO, answer, "400: no image")) == [{"file": "photo.jpg", "error": "400: no image"}]
