from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from platelane.vision.crops import PLATE_SHAPE, VEHICLE_SHAPE
from training.calibration.quantize import RECIPES, _views, quantize
from training.common.errors import DataError

PICTURE = cv2.imencode(".png", np.full((40, 90, 3), 120, np.uint8))[1].tobytes()


def part_of(folder: Path, name: str, **row: str) -> None:
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        archive.writestr("a.png", PICTURE)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "split", *row), ("a.png", "train", *row.values())])


def test_crops_of_plates_and_vehicles_calibrate_as_photographs_do(tmp_path: Path) -> None:
    part_of(tmp_path, "plates", text="AB12")
    part_of(tmp_path, "vehicles", type="Van")
    assert [view.shape for view in _views(RECIPES["reader"], tmp_path, "train")] == [PLATE_SHAPE]
    assert [view.shape for view in _views(RECIPES["attributes"], tmp_path, "train")] == [VEHICLE_SHAPE]
    box = {"class": "plate", "xmin": "1", "ymin": "1", "xmax": "60", "ymax": "30"}
    part_of(tmp_path, "photos", **box)
    assert [view.shape for view in _views(RECIPES["reader"], tmp_path, "train")] == [PLATE_SHAPE] * 2


def test_nothing_to_calibrate_on_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"photos\.csv is missing"):
        quantize("reader", tmp_path, tmp_path, 5)
    part_of(tmp_path, "plates", split="val")
    (tmp_path / "plates.csv").write_text("file,split\na.png,val\n", encoding="utf-8")
    with pytest.raises(DataError, match="no photos or plates in the split train to calibrate reader on"):
        quantize("reader", tmp_path, tmp_path, 5)
