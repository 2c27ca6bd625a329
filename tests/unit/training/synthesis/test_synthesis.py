from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from platelane.vision.geometry import Box
from training.synthesis import fonts
from training.synthesis.catalogue import DESIGNS, choose
from training.synthesis.designs import AMERICAN_FACES, CAPTION_FACES, EUROPEAN_FACES, HEAVY_FACES, SCRIPT, Design
from training.synthesis.designs_world import FOREIGN
from training.synthesis.emblems import emblem
from training.synthesis.noise import clouds
from training.synthesis.paste import covering, pasted, sides
from training.synthesis.serials import cells, compose
from training.synthesis.wear import worn


@pytest.mark.parametrize(
    ("pattern", "form"),
    [
        ("@@@ ####", r"[A-Z]{3}[0-9]{4}"),
        ("{MH,DL} ##|@@ ####", r"(MH|DL)[0-9]{2}[A-Z]{2}[0-9]{4}"),
        ("#@*.~-7", r"[0-9][A-Z][A-Z0-9]7"),
        ("#[@@]<##>(@)", r"[0-9][A-Z]{2}[0-9]{2}[A-Z]"),
        ("%%$$|#$@", r"[0-9][A-Z]"),
    ],
)
def test_a_serial_follows_its_pattern(pattern: str, form: str) -> None:
    random = np.random.default_rng(0)
    texts = {compose(pattern, random).text for _ in range(50)}
    assert len(texts) > 25
    assert all(re.fullmatch(form, text) for text in texts)


def test_a_serial_keeps_its_lines_and_marks_but_does_not_read_them() -> None:
    serial = compose("AB-1*2|C 3", np.random.default_rng(0))
    assert serial.lines == ("AB-1*2", "C 3")
    assert serial.text == "AB12C3"


def test_cells_are_stacked_small_and_under_their_arabic_letters() -> None:
    assert list(cells("5[AR]*7 (BC)<18>")) == [
        ("plain", "5"),
        ("stacked", "AR"),
        ("emblem", "*"),
        ("plain", "7"),
        ("gap", " "),
        ("glossed", "B"),
        ("glossed", "C"),
        ("small", "18"),
    ]


def test_emblems_are_painted_where_they_belong_and_carry_no_text() -> None:
    for seed in range(40):
        canvas = np.full((60, 120, 3), 255, np.float32)
        emblem(canvas, 60, 30, 14, 20, np.random.default_rng(seed))
        assert (canvas != 255).any()
        assert (canvas[:, :30] == 255).all()
        assert (canvas[:, 90:] == 255).all()
    assert compose("*12*34*", np.random.default_rng(0)).text == "1234"


def test_letters_come_only_from_those_a_design_uses() -> None:
    random = np.random.default_rng(0)
    assert set("".join(compose("@@@@", random, "XYZ").text for _ in range(30))) == set("XYZ")


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.region)
def test_a_design_is_sound(design: Design) -> None:
    random = np.random.default_rng(0)
    assert re.fullmatch(r"[a-z]{2}(-[a-z]{2,3})?", design.region)
    assert 0.9 < design.size[0] / design.size[1] < 6
    assert design.cell[1] < design.size[1]
    assert design.share > 0
    for pattern in design.serials:
        serial = compose(pattern, random, design.letters, design.script)
        assert re.fullmatch("[A-Z0-9]{1,11}" if design not in FOREIGN else "[0-9]{0,5}", serial.text)
        assert len(serial.lines) <= 2
        assert all(list(cells(line)) for line in serial.lines)


def test_designs_cover_every_state_and_all_faces_come_from_the_listed_packages() -> None:
    regions = {design.region for design in DESIGNS}
    assert sum(region.startswith("us-") for region in regions) == 51
    assert {"br", "ar", "in", "gb", "de", "mx", "ae-du", "ca-on", "au-nsw"} <= regions
    faces = {*EUROPEAN_FACES, *AMERICAN_FACES, *HEAVY_FACES, *CAPTION_FACES, SCRIPT}
    assert {face.rpartition("-")[0] for face in faces} <= set(fonts.PACKAGES)


def test_designs_are_drawn_most_where_real_pictures_are_few() -> None:
    random = np.random.default_rng(0)
    countries = Counter(choose(random).region.split("-")[0] for _ in range(2000))
    assert 0.35 < countries["us"] / 2000 < 0.5
    assert countries["ar"] > 60
    assert countries["om"] > 30


def test_a_font_that_is_not_there_is_named() -> None:
    with pytest.raises(fonts.FontsMissingError, match="no-such-face-latin-400"):
        fonts.glyph("no-such-face-400", "A", 10, 20)


@pytest.mark.parametrize("severity", [0.05, 1.0])
def test_wear_keeps_shape_and_type_and_repeats_with_its_seed(severity: float) -> None:
    plate = np.full((50, 200, 3), 200, np.uint8)
    first, again = ([worn(plate, severity, np.random.default_rng(seed)) for seed in range(100)] for _ in range(2))
    assert all(result.shape == plate.shape and result.dtype == np.uint8 for result in first)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert sum(bool((result != plate).any()) for result in first) > 50


@pytest.mark.parametrize("aspect", [1.4, 2.0, 4.7])
def test_covering_corners_have_the_aspect_asked_for_and_hide_the_plate(aspect: float) -> None:
    plate = Box(50, 40, 110, 70).corners()
    corners = covering(plate, aspect)
    along, down = sides(corners)
    assert along / down == pytest.approx(aspect, rel=0.01)
    assert corners.min(axis=0)[0] < 50
    assert corners.min(axis=0)[1] < 40
    assert corners.max(axis=0)[0] > 110
    assert corners.max(axis=0)[1] > 70


def test_a_pasted_plate_changes_the_photograph_only_where_it_lies() -> None:
    photo = np.full((80, 160, 3), 90, np.uint8)
    photo[30:50, 50:110] = 220
    plate = np.zeros((40, 120, 3), np.uint8)
    result = pasted(photo, Box(50, 30, 110, 50).corners(), plate, np.random.default_rng(0))
    assert result.shape == photo.shape
    assert result.dtype == np.uint8
    assert result[40, 80].max() < 60
    assert (result[:20] == 90).all()
    assert (result[:, :40] == 90).all()


def test_textures_depend_on_place_and_seed_alone() -> None:
    x, y = np.meshgrid(np.linspace(0, 9, 20), np.linspace(0, 9, 20))
    assert (clouds(x, y, 3) == clouds(x, y, 3)).all()
    assert (clouds(x, y, 3) != clouds(x, y, 4)).any()
    assert 0 <= clouds(x, y, 3).min() <= clouds(x, y, 3).max() <= 1
