from __future__ import annotations

import csv
from pathlib import Path

from training.data import Part

FIELDS = ("file", "set", "text", "split")


def written(folder: Path, *rows: tuple[str, str, str, str]) -> Part:
    with (folder / "plates.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([FIELDS, *rows])
    return Part(folder, "plates")


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
