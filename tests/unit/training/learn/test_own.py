from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from detector.search import Found, FoundPlate
from platelane.pb.v1 import domain_pb2
from platelane.vision.crops import Image
from platelane.vision.geometry import Box
from training.learn.own import WIDEST, OwnPlate, _assigned, _sample, halved, split
from training.learn.rows import PlateRow
from training.reader.samples import Sample
from training.reader.text import target, text_of

PHOTO = np.full((400, 600, 3), 90, np.uint8)


class Models:
    """Finds plates at the given places, and gives the prepared readings."""

    def __init__(self, *plates: tuple[Box, str, float]) -> None:
        self.plates = plates

    def find(self, _image: Image) -> Found:
        found = (FoundPlate(box, box, box.corners(), box.corners(), score, None) for box, _, score in self.plates)
        return Found(tuple(found), ())

    def run(self, name: str, batch: np.ndarray[Any, Any]) -> dict[str, Any]:
        corners = Box(30, 12, 130, 52).corners()
        return {"corners": np.stack([corners] * len(batch))} if name == "aligner" else {"batch": batch}

    def read(self, outputs: dict[str, Any]) -> list[domain_pb2.Plate]:
        texts = [text for _, text, _ in self.plates]
        return [domain_pb2.Plate(text=text) for text in texts[-len(outputs["batch"]) :]]


NEAR, FAR = Box(100, 200, 300, 260), Box(400, 100, 460, 120)


def assigned(models: Models, *rows: PlateRow) -> list[Any]:
    return [
        each if isinstance(each, str) else Box.around(each[0]).xmin
        for each in _assigned(PHOTO, rows, models)  # type: ignore[arg-type]
    ]


def row(text: str, box: Box | None = None) -> PlateRow:
    return PlateRow("plates.csv:2", "a.jpg", text, "om", box)


def test_of_several_plates_the_one_that_reads_like_the_row_is_meant() -> None:
    models = Models((NEAR, "xyz789", 0.9), (FAR, "ab1234", 0.6))
    assert assigned(models, row("ab1235")) == [400]
    assert assigned(models, row("xyz789"), row("ab1234")) == [100, 400]


def test_what_cannot_be_read_yet_is_the_plate_that_is_seen_best() -> None:
    assert assigned(Models((FAR, "", 0.6), (NEAR, "qq", 0.9)), row("1234ab")) == [100]


def test_a_box_tells_which_and_is_enough_where_none_is_found() -> None:
    models = Models((NEAR, "xyz789", 0.9), (FAR, "ab1234", 0.6))
    assert assigned(models, row("xyz789", Box(398, 99, 463, 122))) == [400]
    found = assigned(Models(), row("xyz789", Box(100, 200, 300, 260)))
    assert found[0] == pytest.approx(100, abs=40)
    assert "not inside the picture, which is 600 x 400" in assigned(models, row("a", Box(0, 0, 900, 20)))[0]


def test_rows_that_cannot_be_told_apart_ask_for_a_box() -> None:
    assert "no plate is found" in assigned(Models(), row("ab1234"))[0]
    problems = assigned(Models((NEAR, "", 0.9), (FAR, "", 0.6)), row("ab1234"), row("cd5678"))
    assert all("it is not clear which plate is meant" in each for each in problems)


def test_a_large_plate_is_kept_no_larger_than_it_is_of_use() -> None:
    photo = np.full((2000, 3000, 3), 90, np.uint8)
    corners = Box(500, 500, 2500, 1000).corners()
    sample = _sample(photo, (corners, corners + 10), row("ab1234"))
    assert np.linalg.norm(sample.corners[1] - sample.corners[0]) == pytest.approx(WIDEST, rel=0.01)
    assert sample.image.shape[1] < 2.2 * WIDEST
    assert len(sample.cuts) == 2
    assert text_of(sample.classes or ()) == "ab1234"


def test_a_quarter_of_the_texts_of_each_region_is_held_back_whatever_the_order() -> None:
    plates = [
        OwnPlate(PlateRow("", f"{i}", f"{code}{i // 2}", code), Sample(PHOTO, NEAR.corners(), target("a"), code, True))
        for code, count in (("om", 80), ("de", 40))
        for i in range(count)
    ]
    train, held = split(plates)
    assert {p.row.text for p in train}.isdisjoint({p.row.text for p in held})
    assert sum(p.row.region == "om" for p in held) == 20
    assert sum(p.row.region == "de" for p in held) == 10
    again = split(plates[::-1])[1]
    assert {p.row.file for p in again} == {p.row.file for p in held}


def test_a_guard_is_halved_by_texts() -> None:
    sample = Sample(PHOTO, NEAR.corners(), None, "", True)
    plates = [OwnPlate(PlateRow(f"{number}.jpg", f"{number}.jpg", f"ab{number // 2}"), sample) for number in range(40)]
    shown, measured = halved(plates)
    assert len(shown) == len(measured) == 20
    assert not {plate.row.text for plate in shown} & {plate.row.text for plate in measured}
    assert halved(plates[::-1])[0] == shown[::-1]
