from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import pytest

from training.common.errors import DataError
from training.data.dataset import DataPart, any_of, measurable

FIELDS = ("file", "set", "text", "split")


def written(folder: Path, *rows: tuple[str, str, str, str]) -> DataPart:
    with (folder / "plates.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([FIELDS, *rows])
    return DataPart(folder, "plates")


def test_wrong_texts_are_corrected_and_doubtful_ones_left_out(tmp_path: Path) -> None:
    corrected, doubtful, other = (
        "br_plate_crops/10_0QE95D9_0_0.webp",
        "br_plate_crops/10_0MBQ8DB_0_0.webp",
        "br_plate_crops/own.webp",
    )
    part = written(
        tmp_path,
        (corrected, "br_plate_crops", "OQE9509", "train"),
        (doubtful, "br_plate_crops", "OMB0808", "train"),
        (other, "br_plate_crops", "ABC0123", "train"),
    )
    assert [row["text"] for row in part.rows("train")] == ["OQE9519", "", "ABC0123"]


def test_splits_and_sets_are_kept_apart(tmp_path: Path) -> None:
    part = written(tmp_path, ("a", "one", "A1", "train"), ("b", "two", "B2", "train"), ("c", "one", "C3", "val"))
    assert [row["file"] for row in part.rows("train")] == ["a", "b"]
    assert [row["file"] for row in part.rows("train", exclude_sets=("one",))] == ["b"]
    assert [row["file"] for row in part.rows("val")] == ["c"]


def test_a_missing_part_column_or_picture_is_named(tmp_path: Path) -> None:
    part = written(tmp_path, ("a.jpg", "one", "A1", "train"))
    with pytest.raises(DataError, match=r"photos\.csv is missing"):
        DataPart(tmp_path, "photos").rows("train")
    with pytest.raises(DataError, match=r"plates\.zip is missing"):
        list(part.pictures(["a.jpg"]))
    with zipfile.ZipFile(tmp_path / "plates.zip", "w") as archive:
        archive.writestr("b.jpg", b"")
    with pytest.raises(DataError, match=r"plates\.zip has no picture 'a\.jpg'"):
        list(part.pictures(["a.jpg"]))
    (tmp_path / "plates.csv").write_text("file,text\na.jpg,A1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"plates\.csv has no column split"):
        part.rows("train")


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "plates.csv").write_text("file,set,text,split\na.jpg,one,A1,train\n", encoding="utf-8-sig")
    assert [row["file"] for row in DataPart(tmp_path, "plates").rows("train")] == ["a.jpg"]


def test_labels_that_mean_nothing_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "plates.csv").write_text(
        "file,split,region,xmin,ymin,xmax,ymax,x1,legibility\n"
        "a.jpg,train,om,1,2,30,20,,clear\n"
        "b.jpg,training,om,,,,,,\n"
        "c.jpg,val,OM,,,,,,\n"
        "d.jpg,val,om,1,2,x,20,,\n"
        "e.jpg,val,om,1,2,30,,,\n"
        "f.jpg,val,om,30,2,1,20,,\n"
        "g.jpg,val,om,,,,,3,\n"
        "h.jpg,val,om,,,,,,readable\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as told:
        DataPart(tmp_path, "plates").rows("train")
    lines = str(told.value).splitlines()[1:]
    assert [line.split(": ")[0] for line in lines] == [f"plates.csv:{number}" for number in range(3, 10)]
    expected = (
        "'training' is not one of",
        "'OM' is not a code in lower case",
        "xmax 'x' is not a number",
        "a side of the box is missing",
        "the box 30 2 1 20 is empty",
        "a coordinate of a corner is missing",
        "'readable' is not one of clear, hard",
    )
    for line, words in zip(lines, expected, strict=True):
        assert words in line


def test_columns_that_are_not_there_are_blank_and_a_part_that_may_be_missing_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "plates.csv").write_text("file,split\na.jpg,train\n", encoding="utf-8")
    (row,) = DataPart(tmp_path, "plates").rows("train")
    assert row["legibility"] == row["x1"] == row["class"] == ""
    assert DataPart(tmp_path, "photos", optional=True).rows("train") == []
    assert list(DataPart(tmp_path, "photos", optional=True).pictures([])) == []
    assert [part.is_there for part in any_of(tmp_path, "photos", "plates")] == [False, True]
    with pytest.raises(DataError, match=r"negatives\.csv is missing"):
        any_of(tmp_path, "negatives", "vehicles")
    with pytest.raises(DataError, match=r"plates\.csv has no rows of the split val"):
        measurable(tmp_path, "plates")
