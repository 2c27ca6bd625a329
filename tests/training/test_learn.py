"""`platelane learn` from end to end: a hundred plates of a design that the reader does not know, served by Triton."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import stack
from platelane.errors import CannotStart
from platelane.local.triton_environment import environment_folder, find_environment
from platelane.resources import MODELS, SAMPLE
from platelane.vision.crops import Image
from platelane.vision.decoding import decode
from training.learn.figures import DRAWN, OWN, allowed_loss
from training.synthesis.designs import BLACK, WHITE, Design, plain
from training.synthesis.paste import pasted
from training.synthesis.plate import render
from training.synthesis.surroundings import surroundings
from training.synthesis.wear import worn

at_length = pytest.mark.skipif(
    "PLATELANE_TEST_LEARN" not in os.environ,
    reason="takes two minutes on a quiet machine: PLATELANE_TEST_LEARN=1 runs it",
)

NEW_REGION = "zz"
PREFIX = "W7"
HALL = Design(NEW_REGION, (440, 140), plain(WHITE), BLACK, (f"{PREFIX}-#@@###",), (40, 80))
"""A works' own plates: what they begin with is no part of the text, and the reader takes it in."""


def picture(random: np.random.Generator) -> tuple[Image, str]:
    plate = render(replace(HALL, faces=("dosis-700", "overpass-700")), random)
    flat = worn(plate.image, 0.3 * random.random(), random)
    image, corners = surroundings(flat.shape[1] / flat.shape[0], random)
    scale = 260 / float(np.linalg.norm(corners[1] - corners[0]))
    large = np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8)
    return pasted(large, corners * np.float32(scale), flat, random), plate.text.removeprefix(PREFIX)


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("plain_fonts")
    random = np.random.default_rng(5)
    folder = tmp_path / "works"
    folder.mkdir()
    with (folder / "plates.csv").open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(("File", "Text", "Region"))
        for number in range(100):
            image, text = picture(random)
            cv2.imwrite(str(folder / f"{number}.jpg"), image)
            table.writerow((f"{number}.JPG", text, NEW_REGION))
    (folder / "regions.txt").write_text(f"{NEW_REGION}\n", encoding="utf-8")
    return folder


def learnt(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "platelane.cli", "learn", str(folder), *options)
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)


def answer(url: str, image: Image) -> dict[str, Any]:
    encoded = cv2.imencode(".jpg", image)[1].tobytes()
    response = httpx.post(f"{url}/v1/plate-reader/", files={"upload": ("a.jpg", encoded)}, timeout=60)
    results = response.raise_for_status().json()["results"]
    return dict(results[0]) if results else {"plate": "", "region": {"code": ""}}


@at_length
@pytest.mark.timeout(1_800)
def test_a_design_that_is_new_is_learnt_served_and_costs_others_nothing(folder: Path) -> None:
    try:
        find_environment(environment_folder(folder))
    except CannotStart as error:
        pytest.skip(error.detail)
    done = learnt(folder, "--steps", "64", "--guard-plates", "400")
    assert done.returncode == 0, done.stdout + done.stderr
    made = folder.parent / "learned" / "works"
    assert "platelane up --models learned/works/models" in done.stdout
    assert "PLATELANE_MODELS=./learned/works/models docker compose up -d --wait" in done.stdout

    figures = json.loads((made / "figures.json").read_text())
    before, after = figures["before"], figures["after"]
    assert after[OWN]["texts"] > before[OWN]["texts"] + 0.3
    assert after[OWN]["regions"] > 0.9
    for name in ("texts", "regions"):
        assert after[DRAWN][name] >= before[DRAWN][name] - allowed_loss(400)
    assert "Held back and still wrong" in (made / "report.html").read_text()
    assert (MODELS / "reader" / "regions.txt").read_text().split()[-1] != NEW_REGION

    random = np.random.default_rng(6)
    unseen = [picture(random) for _ in range(20)]
    with stack.running("--models", str(made / "models")) as state:
        answers = [answer(state.url, image) for image, _ in unseen]
    right = [one["plate"] == text.lower() for one, (_, text) in zip(answers, unseen, strict=True)]
    assert np.mean(right) > 0.5
    assert np.mean([one["region"]["code"] == NEW_REGION for one in answers]) > 0.8


def test_faults_are_told_before_anything_is_started(folder: Path) -> None:
    with (folder / "plates.csv").open("a", encoding="utf-8") as file:
        file.write("0.jpg;1AB234;ZZ\nnowhere.jpg;1AB234;zz\n")
    done = learnt(folder)
    assert done.returncode == 1
    assert "2 faults" in done.stderr
    assert "plates.csv:102: no region 'ZZ': did you mean `zz`?" in done.stderr
    assert "plates.csv:103: there is no picture nowhere.jpg" in done.stderr
    assert not (folder.parent / "learned").exists()


def striped(random: np.random.Generator) -> Image:
    """Not a vehicle, but distinguishable from all of them."""
    image = np.zeros((160, 200, 3), np.uint8)
    image[:, :: int(random.integers(6, 9))] = random.integers(150, 255, 3)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0) + random.integers(0, 20, image.shape), np.uint8)


@at_length
@pytest.mark.timeout(1_800)
def test_a_new_make_is_learnt_and_other_vehicles_stay_what_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    own, others = tmp_path / "cars", tmp_path / "others"
    own.mkdir()
    others.mkdir()
    lines = ["file,make,model"]
    for number in range(24):
        cv2.imwrite(str(own / f"{number}.png"), striped(random))
        lines.append(f"{number}.png,Striped,One")
    (own / "vehicles.csv").write_text("\n".join(lines), encoding="utf-8")
    (own / "makes.txt").write_text("Striped, One, 2026\n", encoding="utf-8")
    photo = decode(SAMPLE.read_bytes()).image
    for number in range(40):
        other = photo[: int(random.integers(560, 720)), int(random.integers(0, 120)) :]
        light = random.uniform(0.4, 1.1)
        cv2.imwrite(
            str(others / f"{number}.jpg"), cv2.convertScaleAbs(other[:, :: random.choice([1, -1])], alpha=light)
        )

    done = learnt(own, "--attributes", "--steps", "20", "--guard", str(others))
    assert done.returncode == 0, done.stdout + done.stderr
    made = tmp_path / "learned" / "cars"
    figures = json.loads((made / "figures.json").read_text())
    assert figures["before"]["right"]["make_model"] == 0
    assert figures["after"]["right"]["make_model"] > 0.8
    assert figures["after"]["answers"] > 0
    assert figures["after"]["kept"] >= 1 - allowed_loss(figures["after"]["answers"])
    assert (made / "models" / "attributes" / "make_model.txt").read_text().splitlines()[-1] == "Striped\tOne\t2026\t"
    assert "dims: [ 190 ]" in (made / "models" / "attributes" / "config.pbtxt").read_text()
    assert not (tmp_path / "learned" / "cars-2").exists()
