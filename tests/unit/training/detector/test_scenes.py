from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.unit.training.detector.painted import row
from training.detector.loss import VEHICLE
from training.detector.scenes import PLATES, VEHICLES, labelled_scene


@pytest.mark.parametrize(
    ("labelled", "unknown"),
    [
        ("plate", [VEHICLES]),
        ("plate vehicle", [VEHICLES]),
        ("car truck bus motorcycle person", [PLATES]),
        ("car truck bus motorcycle ambulance partly", [PLATES, VEHICLES]),
        ("plate car truck bus motorcycle", []),
    ],
)
def test_what_is_not_labelled_exhaustively_is_unknown(labelled: str, unknown: list[int]) -> None:
    scene = labelled_scene(np.zeros((30, 40, 3), np.uint8), [row("car", labelled, 1, 2, 20, 21)])
    assert scene.ignored_groups.tolist() == unknown
    assert scene.ignored.tolist() == [[0, 0, 40, 30]] * len(unknown)


def test_persons_and_empty_rows_are_no_objects_and_ambulances_are_vehicles_of_unknown_class() -> None:
    labelled = "car person"
    rows = [
        row("person", labelled, 1, 1, 9, 9),
        row("", labelled),
        row("ambulance", labelled, 5, 5, 25, 25),
        row("bus", labelled, 2, 2, 22, 22),
    ]
    scene = labelled_scene(np.zeros((30, 40, 3), np.uint8), rows)
    assert scene.classes.tolist() == [VEHICLE, 3]
    assert np.isnan(scene.corners).all()
