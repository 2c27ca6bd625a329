from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import Outcome, Photo, photos_of
from platelane.errors import CannotStart


def test_a_plate_counts_where_its_whole_text_is_answered() -> None:
    outcome = Outcome("reader")
    outcome.add(Photo(Path("a.jpg"), ("AB123C", "XY99")), ["ab-123 c", "XY9", "TAXI", "0800 555 512"], 0.5)
    outcome.add(Photo(Path("b.jpg"), ("B1",)), [], 0.25)
    assert (outcome.right, outcome.plates, outcome.others) == (1, 3, 2)
    assert outcome.row()[:3] == ["reader", "1 of 3 (33.3 %)", "1.00"]


def test_a_reader_that_cannot_be_run_says_why() -> None:
    assert Outcome("reader", problem="there is no alpr on the PATH").row() == [
        "reader", "there is no alpr on the PATH", "", "", ""
    ]  # fmt: skip


def test_photographs_come_with_what_stands_on_them(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "plates.csv").write_text("\ufefffile,text\na.jpg,AB 12\na.jpg,cd-3\nmissing.jpg,X1\n")
    assert photos_of(tmp_path) == [Photo(tmp_path / "a.jpg", ("AB12", "CD3"))]


@pytest.mark.parametrize("listed", ["", "name,what\na.jpg,AB12\n", "file,text\nmissing.jpg,AB12\n"])
def test_a_folder_without_a_list_is_told(tmp_path: Path, listed: str) -> None:
    if listed:
        (tmp_path / "plates.csv").write_text(listed)
    with pytest.raises(CannotStart, match="plates"):
        photos_of(tmp_path)
