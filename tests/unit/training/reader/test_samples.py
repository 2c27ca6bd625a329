from __future__ import annotations

import csv
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from platelane.vision.crops import PLATE_SHAPE
from platelane.vision.geometry import Box
from training.data.dataset import in_unseen_half
from training.reader.augment import augmented, degraded, jittered
from training.reader.samples import (
    SHARES,
    Sample,
    allowed_regions,
    around,
    background,
    group_of,
    load,
    load_backgrounds,
    weights,
    with_probability,
)
from training.reader.synthetic import SyntheticPlates

REGIONS = ("au-nsw", "de", "us-ca", "us-ny")


def sample(region: str) -> Sample:
    return Sample(np.zeros((8, 8, 3), np.uint8), Box(1, 1, 7, 5).corners(), (1, 2), region, True)


def test_a_country_allows_its_states_and_no_label_allows_nothing() -> None:
    assert allowed_regions("us", REGIONS).tolist() == [False, False, True, True]
    assert allowed_regions("us-ny", REGIONS).tolist() == [False, False, False, True]
    assert allowed_regions("de", REGIONS).tolist() == [False, True, False, False]
    assert not allowed_regions("", REGIONS).any()
    assert not allowed_regions("unknown", REGIONS).any()


@pytest.mark.parametrize(
    ("region", "group"),
    [("us-tx", "us"), ("us", "us"), ("de", "europe"), ("br", "br"), ("jp", "others"), ("", "others")],
)
def test_groups(region: str, group: str) -> None:
    assert group_of(region) == group


def test_groups_are_drawn_by_their_shares_whatever_their_size() -> None:
    samples = [sample("br")] * 50 + [sample("us-ca")] * 5 + [sample("us-ny")]
    chances = weights(samples)
    assert chances.sum() == pytest.approx(1)
    assert chances[:50].sum() / chances[50:].sum() == pytest.approx(SHARES["br"] / SHARES["us"])
    assert chances[-1] > chances[-2]


def test_the_cutting_around_a_plate_keeps_its_pixels_in_place() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    corners = Box(30, 20, 50, 30).corners()
    view, moved = around(photo, corners, margin=0.5)
    x, y = moved[0].astype(int)
    assert view.shape == (20, 40, 3)
    assert (view[y : y + 10, x : x + 20] == photo[20:30, 30:50]).all()


def test_a_background_is_large_and_beside_the_plates() -> None:
    photo = np.zeros((200, 300, 3), np.uint8)
    photo[80:120, 100:200] = 255
    for seed in range(30):
        found = background(photo, [Box(100, 80, 200, 120)], np.random.default_rng(seed))
        assert found is not None
        assert found.classes == ()
        (left, top), (right, bottom) = found.corners[0].round().astype(int), found.corners[2].round().astype(int)
        assert right - left >= 40
        assert not found.image[top + 1 : bottom - 1, left + 1 : right - 1].any()


def test_a_picture_that_is_all_plate_has_no_background() -> None:
    photo = np.zeros((50, 100, 3), np.uint8)
    assert background(photo, [Box(0, 0, 100, 50)], np.random.default_rng(0)) is None


def test_severity_zero_moves_corners_by_hardly_anything_and_one_by_some_per_cent() -> None:
    plate = Box(0, 0, 200, 50).corners()
    small, large = (
        np.mean([np.abs(jittered(plate, severity, np.random.default_rng(seed)) - plate).mean() for seed in range(50)])
        for severity in (0.0, 1.0)
    )
    assert small < 1.5
    assert 2 * small < large < 20


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
def test_augmentation_gives_plates_for_the_reader_and_repeats_with_its_seed(severity: float) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 120, 3), dtype=np.uint8)
    corners = Box(10, 5, 110, 35).corners()
    first, again, other = (
        [augmented(picture, corners, severity, random) for _ in range(10)]
        for random in (np.random.default_rng(2), np.random.default_rng(2), np.random.default_rng(3))
    )
    assert all(plate.shape == PLATE_SHAPE and plate.dtype == np.uint8 for plate in first)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_a_photographed_plate_keeps_its_shape() -> None:
    plate = np.full((30, 70, 3), 128, np.uint8)
    results = [degraded(plate, 1.0, np.random.default_rng(seed)) for seed in range(40)]
    assert {(result.shape, result.dtype.name) for result in results} == {((30, 70, 3), "uint8")}


def write(folder: Path, part: str, rows: list[dict[str, str]]) -> None:
    """A part of the data: grey pictures of 60 x 40 pixels."""
    picture = bytes(cv2.imencode(".png", np.full((40, 60, 3), 128, np.uint8))[1])
    with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
        for name in dict.fromkeys(row["file"] for row in rows):
            archive.writestr(name, picture)
    with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, sorted({column for row in rows for column in row}), restval="")
        writer.writeheader()
        writer.writerows(rows)


def plate(file: str, text: str, region: str, **more: str) -> dict[str, str]:
    box = {"xmin": "10", "ymin": "10", "xmax": "50", "ymax": "30", "x1": ""}
    fixed = {"set": "ours", "split": "train", "legibility": ""}
    return {"file": file, "text": text, "region": region} | fixed | box | more


def test_half_of_the_validation_split_chooses_nothing(tmp_path: Path) -> None:
    rows = [plate("a.png", "EF58", "de", split="val"), plate("b.png", "GH78", "fr", split="val")]
    write(tmp_path, "plates", rows)
    write(tmp_path, "photos", [])
    assert [in_unseen_half([row]) for row in rows] == [False, True]
    assert not in_unseen_half(rows), "a photograph of both is of neither half"
    assert [one.region for one in load(tmp_path, "val")] == ["de"]


def test_misread_plates_are_drawn_more_often() -> None:
    misread, other = replace(sample("om"), weight=4.0), sample("om")
    assert weights([misread, other]) == pytest.approx([0.8, 0.2])


def test_some_plates_are_cut_as_served() -> None:
    cutter = with_probability(lambda _image, box: (box.corners(),), 0.3, np.random.default_rng(0))
    assert 20 < sum(len(cutter(sample("om").image, Box(0, 0, 2, 1))) for _ in range(100)) < 40


def test_further_parts_and_designs_are_loaded_where_there_are_any(tmp_path: Path) -> None:
    write(tmp_path, "plates", [plate("a.png", "AB12", "de")])
    write(tmp_path, "photos", [plate("b.png", "CD34", "fr", **{"class": "plate"})])
    assert [one.region for one in load(tmp_path, "train")] == ["de", "fr"]
    write(tmp_path, "plates_more", [plate("c.png", "1234AB", "om"), plate("d.png", "EF58", "tw", split="val")])
    write(tmp_path, "photos_more", [plate("e.png", "1234AB", "om", **{"class": "plate"})])
    write(tmp_path, "us_designs", [{"file": "f.png", "region": "us-ak", "split": "train"}])
    found = load(tmp_path, "train")
    assert [one.region for one in found] == ["de", "fr", "om", "us-ak"], "a plate that crops show is not taken twice"
    assert [one.region for one in load(tmp_path, "val")] == ["tw"]
    design = found[-1]
    assert design.classes is None
    assert design.group == "designs"
    assert design.corners.tolist() == [[30, 20], [90, 20], [90, 60], [30, 60]]
    assert weights(found).sum() == pytest.approx(1)


def test_crops_alone_are_enough_and_need_neither_box_nor_corners(tmp_path: Path) -> None:
    write(tmp_path, "plates", [{"file": "a.png", "text": "AB12", "region": "de", "split": "train"}])
    (only,) = load(tmp_path, "train")
    assert only.corners.tolist() == [[0, 0], [60, 0], [60, 40], [0, 40]]
    assert load(tmp_path, "val") == []
    assert load_backgrounds(tmp_path, "train", np.random.default_rng(0)) == []


def test_photographs_alone_are_enough(tmp_path: Path) -> None:
    write(tmp_path, "photos", [plate("b.png", "CD34", "fr", **{"class": "plate"})])
    assert [one.region for one in load(tmp_path, "train")] == ["fr"]


@pytest.mark.usefixtures("plain_fonts")
def test_drawn_plates_hang_in_a_margin_where_crops_are_tight_and_anywhere_where_there_are_none() -> None:
    tight = Sample(np.full((40, 120, 3), 90, np.uint8), Box(1, 1, 119, 39).corners(), (), "de", legible=True)
    for source in (SyntheticPlates.over([tight]), SyntheticPlates.over([])):
        drawn = source.sample(0.5, np.random.default_rng(0))
        assert drawn.classes
        height, width = drawn.image.shape[:2]
        assert width > 1.2 * Box.around(drawn.corners).width
        assert height > 1.2 * Box.around(drawn.corners).height
