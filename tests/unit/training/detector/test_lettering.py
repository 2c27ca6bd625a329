from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from platelane.vision.geometry import Box
from tests.unit.training.detector.painted import painted
from training.detector.lettering import _serial, _set, lettered
from training.detector.model import PLATE
from training.detector.scenes import Scene
from training.synthesis import fonts

if not fonts.FOLDER.exists():
    pytest.skip("the fonts of drawn plates are not there", allow_module_level=True)


def large() -> Scene:
    scene = painted()
    times = np.float32(2)
    image = np.kron(scene.image, np.ones((2, 2, 1), np.uint8))
    return replace(scene, image=image, boxes=scene.boxes * times, corners=scene.corners * times)


def test_writing_changes_the_picture_but_no_plate_and_only_painted_plates_are_taught() -> None:
    random = np.random.default_rng(1)
    kinds = set()
    for _ in range(60):
        before, written = large(), lettered(large(), random)
        left, top, right, bottom = before.boxes[1].astype(int)
        assert (written.image[top:bottom, left:right] == before.image[top:bottom, left:right]).all()
        assert (written.boxes[:2] == before.boxes).all()
        changed = (written.image != before.image).any(axis=2)
        if len(written.boxes) > len(before.boxes):
            assert written.classes[2] == PLATE
            box = Box.around(written.corners[2])
            area = changed[int(box.ymin) : int(np.ceil(box.ymax)), int(box.xmin) : int(np.ceil(box.xmax))]
            assert area.any()
        kinds.add((bool(changed.any()), len(written.boxes)))
    assert kinds >= {(True, 2), (True, 3)}


def test_painted_numbers_are_latin_whatever_their_design() -> None:
    """Designs of scripts that are not read compose numbers without a single Latin character."""
    random = np.random.default_rng(2)
    for _ in range(3000):
        serial = _serial(random)
        assert all(any(character.isascii() and character.isalnum() for character in line) for line in serial.lines)
        assert not set("".join(serial.lines)) & set("[]<>()*$%")
    assert _set(serial, random).any()
