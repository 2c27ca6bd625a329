from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.attributes.labels import COLORS, GENERIC, SMOOTHING, TYPES, Labels, MakeModel, group_models, one_of
from training.data.dataset import Row


def car(make: str, model: str, year: str, **other: str) -> Row:
    return {"make": make, "model": model, "year": year, **other}


def test_years_of_a_model_are_merged_and_rows_without_make_are_no_model() -> None:
    rows = [car("Volvo", "240", "1993"), car("Audi", "A4", "2012"), car("Audi", "A4", "2007"), car("", "", "")]
    assert group_models(rows) == (MakeModel("Audi", "A4", "2007", "2012"), MakeModel("Volvo", "240", "1993", "1993"))


def test_without_makes_the_only_model_is_generic() -> None:
    assert group_models([car("", "", "")]) == (GENERIC,)


def test_blank_is_not_labelled_and_unknown_is_not_tellable() -> None:
    blank, unknown = one_of(COLORS, ""), one_of(COLORS, "unknown")
    assert blank.admissible.all()
    assert unknown.admissible.all()
    assert (blank.smoothing, unknown.smoothing) == (0.0, 1.0)
    assert not blank.single


def test_a_label_admits_its_class_alone() -> None:
    target = one_of(TYPES, "SUV")
    assert np.flatnonzero(target.admissible).tolist() == [TYPES.index("SUV")]
    assert target.smoothing == SMOOTHING
    assert target.single


def test_the_only_class_there_is_says_nothing() -> None:
    assert not one_of(("generic",), "").single


def test_a_label_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'Tank'"):
        one_of(TYPES, "Tank")


def test_a_car_can_be_any_of_the_car_types() -> None:
    target = Labels((GENERIC,)).targets({}, vehicle_class="car")["type"]
    assert [name for name, can in zip(TYPES, target.admissible, strict=True) if can] == [
        "Pickup Truck",
        "Sedan",
        "SUV",
        "Van",
    ]


def test_the_model_of_a_bus_is_not_tellable_and_of_an_unlabelled_sedan_unknown() -> None:
    labels = Labels((MakeModel("Audi", "A4", "2007", "2012"), MakeModel("Volvo", "240", "1993", "1993")))
    bus = labels.targets({"type": "Bus", "make": "", "color": "red", "orientation": ""})
    sedan = labels.targets({"type": "Sedan", "make": "", "color": "", "orientation": "Rear"})
    assert (bus["make_model"].smoothing, sedan["make_model"].smoothing) == (1.0, 0.0)
    assert np.flatnonzero(bus["color"].admissible).tolist() == [COLORS.index("red")]


def test_labels_of_photos_are_read_from_their_own_columns() -> None:
    row = {"vehicle_type": "Van", "vehicle_color": "", "vehicle_orientation": "Front", "orientation": "Rear"}
    targets = Labels((GENERIC,)).targets(row, prefix="vehicle_")
    assert targets["type"].admissible[TYPES.index("Van")]
    assert targets["orientation"].admissible.tolist() == [True, False]


def test_makes_are_numbered_in_alphabetical_order() -> None:
    models = (MakeModel("BMW", "M3", "", ""), MakeModel("BMW", "X5", "", ""), MakeModel("Audi", "A4", "", ""))
    assert Labels(models).makes.tolist() == [1, 1, 0]


def test_label_files_have_a_line_a_class(tmp_path: Path) -> None:
    Labels((MakeModel("AM General", "Hummer", "1999", "2000"),)).write(tmp_path)
    assert (tmp_path / "make_model.txt").read_text() == "AM General\tHummer\t1999\t2000\n"
    assert (tmp_path / "type.txt").read_text().splitlines() == list(TYPES)
    assert (tmp_path / "color.txt").read_text().splitlines() == list(COLORS)
    assert (tmp_path / "orientation.txt").read_text().splitlines() == ["Front", "Rear"]
