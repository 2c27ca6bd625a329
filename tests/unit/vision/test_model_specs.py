"""`platelane.models` and the label files that belong to the served models."""

from __future__ import annotations

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest

from detector.detections import PLATE
from platelane import crops, models


def test_inputs_have_the_shapes_that_crops_are_cut_to() -> None:
    assert models.READER.inputs[0].shape == (-1, *crops.PLATE_SHAPE)
    assert models.ALIGNER.inputs[0].shape == (-1, *crops.PLATE_SHAPE)
    assert models.ATTRIBUTES.inputs[0].shape == (-1, *crops.VEHICLE_SHAPE)


def test_characters_are_the_blank_and_what_a_plate_can_show() -> None:
    assert models.characters() == ("blank", *string.digits, *string.ascii_lowercase)


def test_regions_are_distinct_codes() -> None:
    regions = models.regions()

    assert len(set(regions)) == len(regions) > 100
    assert {"de", "gb", "us-ca"} < set(regions)
    assert all(region == region.strip().lower() for region in regions)


def test_attribute_labels_are_those_of_the_api() -> None:
    labels = models.attribute_labels()

    assert set(labels.types) == {"Big Truck", "Bus", "Motorcycle", "Pickup Truck", "Sedan", "SUV", "Van"}
    assert set(labels.colors) == {"black", "blue", "brown", "green", "red", "silver", "white", "yellow"}
    assert set(labels.orientations) == {"Front", "Rear"}
    assert len({(label.make, label.model) for label in labels.make_models}) == len(labels.make_models)
    assert all(label.make and label.model for label in labels.make_models)
    assert all(label.first_year <= label.last_year for label in labels.make_models)


def test_detector_labels_start_with_the_plate() -> None:
    labels = Path("triton_models/detector/labels.txt").read_text(encoding="utf-8").split()
    assert labels[PLATE] == "plate"
    assert labels == ["plate", "car", "truck", "bus", "motorcycle"]


def test_specifications_count_the_labels() -> None:
    assert models.READER.outputs[1].shape == (-1, len(models.regions()))
    assert models.ATTRIBUTES.outputs[3].shape == (-1, len(models.attribute_labels().make_models))


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'PLATES'"):
        _ = models.PLATES


def test_missing_label_files_are_explained(tmp_path: Path) -> None:
    code = "from platelane import errors, models\ntry: models.READER\nexcept errors.CannotStart as e: print(e.detail)"
    environment = {**os.environ, "PLATELANE_MODEL_REPOSITORY": str(tmp_path)}

    said = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)

    assert f"{tmp_path}/reader/characters.txt: No such file" in said.stdout
    assert "PLATELANE_MODEL_REPOSITORY" in said.stdout
