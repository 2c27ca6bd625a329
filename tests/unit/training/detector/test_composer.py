from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.unit.training.detector.painted import painted
from training.detector.composer import Composer, collate
from training.detector.loss import NOTHING
from training.detector.model import PLATE
from training.detector.scenes import PLATES, Scenes, empty_scene


def test_a_batch_pads_labels_with_nothing() -> None:
    blank = replace(painted(), image=np.zeros((64, 64, 3), np.uint8))
    images, targets = collate([blank, empty_scene(np.zeros((64, 64, 3), np.uint8), [PLATES])])
    assert images.shape == (2, 64, 64, 3)
    assert targets.classes.tolist() == [[1, PLATE], [NOTHING, NOTHING]]
    assert targets.ignored.tolist() == [[[0, 0, 0, 0]], [[0, 0, 64, 64]]]


def test_the_same_seed_composes_the_same_batch() -> None:
    scenes = Scenes([painted()], np.ones(1, np.float32), [empty_scene(np.zeros((90, 90, 3), np.uint8))], [], [])
    (first, labels), (second, labels_again) = (
        Composer(scenes, np.random.default_rng(5)).batch(96, 128, 6) for _ in range(2)
    )
    assert first.equal(second)
    assert labels.boxes.equal(labels_again.boxes)
    assert not first.equal(Composer(scenes, np.random.default_rng(6)).batch(96, 128, 6)[0])
