from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from platelane.vision.model_specs import AttributeLabels, MakeModel
from training.common.errors import DataError
from training.learn.folder import Folder
from training.learn.rows import Fault, describe_faults
from training.learn.vehicle_rows import Model, Names, VehicleRow, vehicle_rows

LABELS = AttributeLabels(
    ("Sedan", "Pickup Truck"),
    ("black", "white"),
    ("Front", "Rear"),
    (MakeModel("Acura", "RL", 2012, 2012), MakeModel("Acura", "TL", 2008, 2012), MakeModel("Audi", "A5", 0, 0)),
)
PICTURE = cv2.imencode(".png", np.full((40, 80, 3), 128, np.uint8))[1].tobytes()


def rows_of(root: Path, table: str, makes: str = "") -> tuple[list[VehicleRow], list[Fault]]:
    (root / "a.png").write_bytes(PICTURE)
    (root / "vehicles.csv").write_text(table, encoding="utf-8")
    if makes:
        (root / "makes.txt").write_text(makes, encoding="utf-8")
    folder = Folder(root)
    return vehicle_rows(folder, folder.listed("vehicles.csv"), Names.of(LABELS, folder))


def test_a_row_tells_what_it_knows(tmp_path: Path) -> None:
    rows, faults = rows_of(tmp_path, "file;Type;Colour;Make;Model\na;Sedan;;Acura;RL\na;;black;;\na;;;Acura;\n")
    assert faults == []
    assert [row.labels for row in rows] == [("Sedan", "", "", "Acura RL"), ("", "black", "", ""), ("", "", "", "Acura")]


def test_all_faults_are_told_with_what_was_meant(tmp_path: Path) -> None:
    lines = ("sedan,,,", ",grey,,", ",,acura,RL", ",,Acura,Tl", ",,BYD,Atto 3", ",,,RL", ",,,")
    rows, faults = rows_of(tmp_path, "file,type,color,make,model\n" + "".join(f"a,{line}\n" for line in lines))
    assert rows == []
    said = describe_faults(faults).splitlines()
    for line, words in {
        2: "no type 'sedan': did you mean `Sedan`?",
        3: "no color 'grey': one of black, white",
        4: "no make 'acura': did you mean `Acura`?",
        5: "no Acura 'Tl': did you mean `TL`?",
        6: "no make 'BYD': to add one, write `make, model` on a line of makes.txt",
        7: "a model without a make",
        8: "the row says nothing about the vehicle",
    }.items():
        assert any(each.startswith(f"vehicles.csv:{line}: ") and words in each for each in said), line


def test_a_new_make_is_one_line_in_a_file(tmp_path: Path) -> None:
    rows, faults = rows_of(tmp_path, "file,make,model\na,BYD,Atto 3\n", "# ours\nBYD, Atto 3, 2022\nAudi, A5\n")
    assert faults == []
    assert rows[0].make == "BYD"
    assert Names.of(LABELS, Folder(tmp_path)).new == (Model("BYD", "Atto 3", "2022"),)


@pytest.mark.parametrize("line", ["BYD", "BYD,", "BYD, Atto 3, new", "BYD, Atto 3, 2022, 2023, 2024"])
def test_a_line_that_is_no_model_is_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "makes.txt").write_text(line)
    with pytest.raises(DataError, match="is not `make, model"):
        Names.of(LABELS, Folder(tmp_path))


def test_a_list_is_needed_and_its_columns_too(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vehicles\.csv:1: the columns are file and some of"):
        rows_of(tmp_path, "file,text\na,AB12\n")
    (tmp_path / "vehicles.csv").unlink()
    folder = Folder(tmp_path)
    with pytest.raises(DataError, match="has no list"):
        vehicle_rows(folder, folder.listed("vehicles.csv"), Names.of(LABELS, folder))
