from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from platelane.vision.geometry import Box
from training.common.errors import DataError
from training.learn.folder import Folder
from training.learn.rows import Codes, Fault, PlateRow, checked_text, describe_faults, plate_rows, template_mismatch

REGIONS = ("de", "gb", "om", "us-ca", "us-ny")
PICTURE = cv2.imencode(".png", np.full((40, 80, 3), 128, np.uint8))[1].tobytes()


def folder_of(root: Path, table: str, *pictures: str) -> Folder:
    for name in pictures:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PICTURE)
    if table:
        (root / "plates.csv").write_text(table, encoding="utf-8")
    return Folder(root)


def rows_of(folder: Folder, region: str = "") -> tuple[list[PlateRow], list[Fault]]:
    return plate_rows(folder, folder.listed("plates.csv"), Codes.of(REGIONS, folder), region)


def test_good_rows_need_nothing_but_a_file_and_a_text(tmp_path: Path) -> None:
    rows, faults = rows_of(folder_of(tmp_path, "file,text\na.png,12-34 AB\n", "a.png"))
    assert faults == []
    assert rows == [PlateRow("plates.csv:2", "a.png", "1234ab")]


def test_all_faults_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    table = (
        "file,text,region,box\n"
        "a.png,1234AB,OM,\n"
        "a.png,1234AB,Oman,\n"
        "a.png,1234AB,xx,\n"
        "b.png,1234AB,om,\n"
        "broken.png,1234AB,om,\n"
        "a.png,,om,\n"
        "a.png,12?4AB,om,\n"
        "a.png,1.23E+05,om,\n"
        "a.png,1234AB,om,1 2 3\n"
        "a.png,1234AB,om,30 2 3 20\n"
        "a.png,12O4AB,om,\n"
    )
    folder = folder_of(tmp_path, table, "a.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    rows, faults = rows_of(Folder(folder.path))
    said = describe_faults(faults)
    for line, words in {
        2: "no region 'OM': did you mean `om`?",
        3: "no region 'Oman': did you mean `om`?",
        4: "no region 'xx': to add a region, write its code on a line of regions.txt",
        5: "there is no picture b.png",
        6: "broken.png: The file is not an image in a supported format",
        7: "no text",
        8: "is incomplete",
        9: "Excel has converted the text to a number",
        10: "is not `xmin ymin xmax ymax`",
        11: "is empty or outside the picture",
        12: "12O4AB fits no template of `om` (Oman): did you mean 1204AB?",
    }.items():
        assert any(each.startswith(f"plates.csv:{line}: ") and words in each for each in said.splitlines()), line
    assert len(faults) == 11
    assert [row.place for row in rows] == ["plates.csv:12"]
    assert [fault.doubtful for fault in faults] == [False] * 10 + [True]


def test_a_file_is_found_in_any_case_with_any_separator_and_without_its_ending(tmp_path: Path) -> None:
    table = "file,text\nSub\\A.PNG,A1\nsub/b,B2\nc.png,C3\n"
    rows, faults = rows_of(folder_of(tmp_path, table, "sub/a.png", "sub/b.png", "sub/c.png"))
    assert faults == []
    assert [row.file for row in rows] == ["sub/a.png", "sub/b.png", "sub/c.png"]


def test_a_picture_of_nearly_the_name_is_suggested(tmp_path: Path) -> None:
    _, (fault,) = rows_of(folder_of(tmp_path, "file,text\nIMG_0102.png,A1\n", "IMG_0120.png"))
    assert "did you mean IMG_0120.png?" in str(fault)


@pytest.mark.parametrize(
    ("written", "box"),
    [("1 2 30 20", Box(1, 2, 30, 20)), ('"1,2,30,20"', Box(1, 2, 30, 20)), ("[1; 2.5; 30; 20]", Box(1, 2.5, 30, 20))],
)
def test_a_box_is_four_numbers_in_any_dress(written: str, box: Box, tmp_path: Path) -> None:
    rows, faults = rows_of(folder_of(tmp_path, f"file,text,box\na.png,A1,{written}\n", "a.png"))
    assert faults == []
    assert rows[0].box == box


def test_a_box_may_be_four_columns_with_decimal_commas(tmp_path: Path) -> None:
    table = "file;text;xmin;ymin;xmax;ymax\na.png;A1;1,5;2;30;20\n"
    rows, _ = rows_of(folder_of(tmp_path, table, "a.png"))
    assert rows[0].box == Box(1.5, 2, 30, 20)


def test_texts_may_be_file_names_and_folders_regions(tmp_path: Path) -> None:
    names = ("om/1234AB.png", "om/1234AB_2.png", "gb/AB12 CDE (2).png", "A-1.png")
    rows, faults = rows_of(folder_of(tmp_path, "", *names), region="us-ca")
    assert faults == []
    assert {(row.text, row.region) for row in rows} == {("1234ab", "om"), ("ab12cde", "gb"), ("a1", "us-ca")}


def test_corrections_come_as_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "corrections.zip", "w") as archive:
        archive.writestr("corrections/plates.csv", "file,text,region\ncrops/1.webp,1234AB,om\n")
        archive.writestr(
            "corrections/crops/1.webp", cv2.imencode(".webp", np.zeros((20, 60, 3), np.uint8))[1].tobytes()
        )
    rows, faults = rows_of(Folder(tmp_path / "corrections.zip"))
    assert faults == []
    assert rows == [PlateRow("corrections/plates.csv:2", "corrections/crops/1.webp", "1234ab", "om")]


def test_a_new_region_is_one_line_in_a_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "file,text,region\na.png,X1,zz\n", "a.png")
    (tmp_path / "regions.txt").write_text("# ours\nzz\nom\n", encoding="utf-8")
    folder = Folder(tmp_path)
    assert Codes.of(REGIONS, folder).new == ("zz",)
    rows, faults = rows_of(folder)
    assert faults == []
    assert rows[0].region == "zz"
    (tmp_path / "regions.txt").write_text("Zanzibar\n", encoding="utf-8")
    with pytest.raises(DataError, match="'Zanzibar' is not a region code"):
        Codes.of(REGIONS, Folder(tmp_path))


def test_the_country_of_parts_is_a_region_too() -> None:
    assert Codes(REGIONS).allows("us")
    assert not Codes(REGIONS).allows("")
    assert Codes(REGIONS).suggestion("us_ca") == "did you mean `us-ca`?"
    assert Codes(REGIONS).suggestion("Germany") == "did you mean `de`?"


@pytest.mark.parametrize(
    ("written", "text"),
    [("AB-12 CD", "ab12cd"), ("MÜ·AB 12", "muab12"), ("b 1,2", "b12"), ("É1", "e1"), ("63E793", "63e793")],
)
def test_separators_and_accents_are_no_part_of_a_text(written: str, text: str) -> None:
    assert checked_text(written) == (text, "")


@pytest.mark.parametrize("written", ["", "京A12345", "A" * 17, "A*1", "A\uff1f1", "1\uff0a", "١٢٣", "--"])
def test_what_cannot_be_read_is_no_text(written: str) -> None:
    text, fault = checked_text(written)
    assert text == ""
    assert fault


def test_regions_whose_owners_choose_have_no_misfits() -> None:
    assert template_mismatch("imgr8", "us-ca") == ""
    assert template_mismatch("imgr8", "") == ""
    assert template_mismatch("1234ab", "om") == ""
    assert template_mismatch("abcdef", "om")


def test_a_list_without_its_columns_and_a_folder_with_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"plates\.csv:1: no column `text`"):
        rows_of(folder_of(tmp_path, "file,plats\na.png,A1\n", "a.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no pictures"):
        rows_of(Folder(tmp_path / "empty"))
    with pytest.raises(DataError, match="does not exist"):
        rows_of(Folder(tmp_path / "nowhere"))
    (tmp_path / "other.csv").write_text("file,text\n")
    (tmp_path / "plates.csv").rename(tmp_path / "more.csv")
    with pytest.raises(DataError, match=r"several lists .*name the right one plates\.csv"):
        rows_of(Folder(tmp_path))


def test_the_same_row_twice_is_told(tmp_path: Path) -> None:
    _, (fault,) = rows_of(folder_of(tmp_path, "file,text\na.png,A1\na.png,a-1\n", "a.png"))
    assert str(fault) == "plates.csv:3: the same picture and text as plates.csv:2"
