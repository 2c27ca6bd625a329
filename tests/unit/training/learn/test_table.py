from __future__ import annotations

import pytest

from training.common.errors import DataError
from training.learn.table import MOST_BYTES, Table

ROWS = [("a.jpg", "AB123", "om"), ("b.jpg", "CD456", "")]


@pytest.mark.parametrize(
    "data",
    [
        b"file,text,region\na.jpg,AB123,om\nb.jpg,CD456,\n",
        "\ufefffile,text,region\r\na.jpg,AB123,om\r\nb.jpg,CD456,\r\n".encode(),
        "\ufefffile;text;region\r\na.jpg;AB123;om\r\nb.jpg;CD456;\r\n".encode(),
        b"sep=;\r\nfile;text;region\r\na.jpg;AB123;om\r\nb.jpg;CD456;\r\n",
        "file\ttext\tregion\r\na.jpg\tAB123\tom\r\nb.jpg\tCD456\t\r\n".encode("utf-16"),
        b'"File","Plate","Country"\n"a.jpg","AB123","om"\n"b.jpg","CD456",""\n',
        b"FILENAME,Number Plate,Region Code,note\n a.jpg , AB123 ,om,x\n\n,,\nb.jpg,CD456\n",
        b"text,region,picture\n'AB123,om,a.jpg\nCD456,,b.jpg\n",
        b'file,text,region\na.jpg,"=""AB123""",om\nb.jpg,CD456,\n',
    ],
    ids=["plain", "mark", "semicolons", "sep", "utf-16", "quoted", "names", "apostrophe", "formula"],
)
def test_a_list_is_read_as_people_keep_it(data: bytes) -> None:
    lines = Table.of(data, "plates.csv").lines
    assert [(line["file"], line["text"], line["region"]) for line in lines] == ROWS


def test_lines_are_numbered_as_an_editor_numbers_them() -> None:
    table = Table.of(b'sep=,\nfile,text\na.jpg,A1\n\n"b.jpg",B2\n"c\nc.jpg",C3\nd.jpg,D4\n', "plates.csv")
    assert [line.number for line in table.lines] == [3, 5, 7, 8]


def test_umlauts_of_windows_are_read() -> None:
    (line,) = Table.of("file,text\nSträßchen.jpg,MÜ1\n".encode("cp1252"), "plates.csv").lines
    assert (line["file"], line["text"]) == ("Sträßchen.jpg", "MÜ1")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n , \n", "is empty"),
        (b"file,text,plate\n", "more than one column for text"),
        (b"x" * (MOST_BYTES + 1), "the limit is 64 MB"),
        (b"file,text\n" + b"a" * 200_000 + b",A1\n", r"plates\.csv:2: field larger"),
    ],
)
def test_what_is_no_list_is_told(data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Table.of(data, "plates.csv")
