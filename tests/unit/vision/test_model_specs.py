"""`platelane.vision.model_specs` and the label files that belong to the served models."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from detector.detections import PLATE
from platelane.dscore import Dscore
from platelane.errors import CannotStart
from platelane.resources import MODELS
from platelane.vision import crops, model_specs
from platelane.vision.model_specs import ModelRepository
from tests.models import SHIPPED


def test_inputs_have_the_shapes_that_crops_are_cut_to() -> None:
    assert SHIPPED.reader.inputs[0].shape == (-1, *crops.PLATE_SHAPE)
    assert model_specs.ALIGNER.inputs[0].shape == (-1, *crops.PLATE_SHAPE)
    assert SHIPPED.attributes.inputs[0].shape == (-1, *crops.VEHICLE_SHAPE)


def test_characters_are_the_blank_and_what_a_plate_can_show() -> None:
    assert SHIPPED.characters == ("blank", *string.digits, *string.ascii_lowercase)


def test_regions_are_distinct_codes() -> None:
    regions = SHIPPED.regions

    assert len(set(regions)) == len(regions) > 100
    assert {"de", "gb", "us-ca"} < set(regions)
    assert all(region == region.strip().lower() for region in regions)


def test_attribute_labels_are_those_of_the_api() -> None:
    labels = SHIPPED.attribute_labels

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
    assert SHIPPED.reader.outputs[1].shape == (-1, len(SHIPPED.regions))
    assert SHIPPED.attributes.outputs[3].shape == (-1, len(SHIPPED.attribute_labels.make_models))


def test_missing_label_files_are_explained() -> None:
    models = ModelRepository(Path("nowhere"))
    with pytest.raises(CannotStart, match=r"nowhere/reader/characters\.txt: No such file.*PLATELANE_MODEL_REPOSITORY"):
        _ = models.characters


def test_figures_that_are_none_are_explained() -> None:
    with pytest.raises(CannotStart, match=r"labels\.txt is not valid\. It is not valid JSON"):
        SHIPPED.fitted(MODELS / "detector" / "labels.txt", Dscore)
