from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from detector.search import Found, FoundPlate, FoundVehicle
from platelane.vision.geometry import Box
from training.detector.model import LABELS, PLATE
from training.detector.scenes import VEHICLES, Scene, empty_scene
from training.evaluation.detectors import table, tallies
from training.evaluation.mixture import Mixture

CAR = LABELS.index("car")


def scene(*objects: tuple[int, Box], unknown: tuple[int, ...] = ()) -> Scene:
    empty = empty_scene(np.zeros((200, 400, 3), np.uint8), unknown)
    boxes = np.array([[box.xmin, box.ymin, box.xmax, box.ymax] for _, box in objects], np.float32).reshape(-1, 4)
    corners = np.full((len(objects), 4, 2), np.nan, np.float32)
    return Scene(
        empty.image,
        boxes,
        np.array([kind for kind, _ in objects], np.int64),
        corners,
        empty.ignored,
        empty.ignored_groups,
    )


def plate(box: Box, score: float) -> FoundPlate:
    return FoundPlate(box, box, box.corners(), box.corners(), score, None)


def test_hits_and_false_alarms_are_counted_by_kind_and_set() -> None:
    car, far, number = Box(0, 0, 100, 80), Box(200, 0, 230, 20), Box(30, 50, 60, 60)
    elsewhere = Box(300, 100, 380, 180)
    pictures = [
        ("road", scene((CAR, car), (CAR, far), (PLATE, number))),
        ("gate", scene((CAR, car), unknown=(VEHICLES,))),
    ]
    found = [
        Found((plate(number, 0.9), plate(elsewhere, 0.1)), (FoundVehicle(car, 0.8), FoundVehicle(elsewhere, 0.3))),
        Found((), (FoundVehicle(car, 0.6), FoundVehicle(elsewhere, 0.5))),
    ]
    counted = tallies(pictures, found)
    plates, threshold = counted["plates"]
    assert (plates.objects, plates.hits, threshold) == (1, [True, False], 0.2)
    assert (plates.recall(threshold), plates.precision(threshold)) == (1.0, 1.0)
    vehicles, _ = counted["vehicles, road"]
    assert (vehicles.objects, vehicles.hits) == (1, [True, False])
    together, _ = counted["vehicles"]
    assert together.objects == 2
    assert sorted(together.scores) == pytest.approx([0.3, 0.6, 0.8])
    assert "vehicles, gate" not in counted
    assert "| vehicles | 2 | 100.0, 100.0, 66.7 |" in table({"now": counted})


def test_a_mixture_is_the_mean_of_its_checkpoints(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    for name, value in (("a", 1.0), ("b", 4.0)):
        torch.save({"model": {"weight": torch.tensor([value]), "count": torch.tensor(7)}}, tmp_path / f"{name}.pt")
    mixture = Mixture.parse(f"both=2*{tmp_path / 'a.pt'}+{tmp_path / 'b.pt'}")
    assert mixture.name == "both"
    assert mixture.weights()["weight"].tolist() == [2.0]
    assert int(mixture.weights()["count"]) == 7
