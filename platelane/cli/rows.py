"""Turns an answer into one row per plate for a table or CSV file, with the same columns in plate and vehicle mode."""

from __future__ import annotations

from typing import Any

from platelane.cli.client import PhotoReading

COLUMNS = (
    "file",
    "plate",
    "score",
    "region",
    "region_score",
    "dscore",
    "xmin",
    "ymin",
    "xmax",
    "ymax",
    "vehicle",
    "vehicle_score",
    "make",
    "model",
    "color",
    "orientation",
    "camera_id",
    "timestamp",
    "processing_time",
    "error",
)

Row = dict[str, Any]


def rows(reading: PhotoReading) -> list[Row]:
    """One row per result, with the COLUMNS that have a value; a photo without results gives one row."""
    answer = reading.answer
    photo: Row = {"file": reading.path}
    if reading.error:
        return [photo | {"error": reading.error}]
    photo |= {key: answer.get(key) for key in ("camera_id", "timestamp", "processing_time")}
    found = [
        _vehicle_mode(result) if isinstance(result.get("plate"), dict | None) else _plate_mode(result)
        for result in answer.get("results", ())
    ]
    return [photo | row for row in found] or [photo]


def _plate_mode(result: Row) -> Row:
    vehicle = result.get("vehicle") or {}
    return {
        "plate": result["plate"],
        "score": result.get("score"),
        "region": (result.get("region") or {}).get("code"),
        "region_score": (result.get("region") or {}).get("score"),
        "dscore": result.get("dscore"),
        **(result.get("box") or {}),
        "vehicle": vehicle.get("type"),
        "vehicle_score": vehicle.get("score"),
        **_appearance(result.get("model_make"), result.get("color"), "color", result.get("orientation"), "orientation"),
    }


def _vehicle_mode(result: Row) -> Row:
    plate = result.get("plate") or {}
    vehicle = result.get("vehicle") or {}
    text = _best(plate.get("props", {}).get("plate"))
    region = _best(plate.get("props", {}).get("region"))
    props = vehicle.get("props", {})
    return {
        "plate": text.get("value"),
        "score": text.get("score"),
        "region": region.get("value"),
        "region_score": region.get("score"),
        "dscore": plate.get("score"),
        **(plate.get("box") or vehicle.get("box") or {}),
        "vehicle": vehicle.get("type"),
        "vehicle_score": vehicle.get("score"),
        **_appearance(props.get("make_model"), props.get("color"), "value", props.get("orientation"), "value"),
    }


def _appearance(models: Any, colors: Any, color_key: str, orientations: Any, orientation_key: str) -> Row:
    model = _best(models)
    return {
        "make": model.get("make"),
        "model": model.get("model"),
        "color": _best(colors).get(color_key),
        "orientation": _best(orientations).get(orientation_key),
    }


def _best(choices: Any) -> Row:
    """The first entry of a list sorted by score, or an empty row."""
    return choices[0] if choices else {}
