from __future__ import annotations

from itertools import islice

import cv2
import numpy as np

from platelane.vision.crops import crop_vehicle
from platelane.vision.geometry import Box
from training.attributes.augment import varied
from training.attributes.data import Vehicle, crop_wide, order, sampling_weights, vehicle_around, wide_size
from training.attributes.labels import GENERIC, HEADS, Labels

LABELS = Labels((GENERIC,))


def colored(color: str) -> Vehicle:
    row = {"type": "", "color": color, "orientation": "", "make": ""}
    return Vehicle("picture.webp", "set", None, LABELS.targets(row))


def test_the_guessed_vehicle_surrounds_its_plate_and_stays_in_the_picture() -> None:
    plate, picture = Box(300, 400, 360, 415), Box(0, 0, 640, 480)
    guess = vehicle_around(plate, picture)
    assert guess.intersection(plate) == plate.area
    assert 3.5 * plate.width < guess.width < 6 * plate.width
    assert guess.intersection(picture) == guess.area


def test_a_narrow_plate_of_two_lines_does_not_shrink_the_guess() -> None:
    picture = Box(0, 0, 2000, 2000)
    wide, narrow = vehicle_around(Box(900, 900, 1000, 940), picture), vehicle_around(Box(920, 900, 980, 940), picture)
    assert narrow.width == wide.width


def test_rare_labels_are_shown_more_often() -> None:
    vehicles = [colored(c) for c in ["white"] * 9 + ["green"]] + [colored("")]
    weights = sampling_weights(vehicles, dict.fromkeys(HEADS, 1.0))
    assert weights[9] > weights[0] > weights[10] > 0
    assert np.isclose(weights.mean(), 1)


def test_a_round_shows_every_vehicle_its_weights_number_of_times() -> None:
    weights = np.array([0.5, 0.5, 1.0, 2.0])
    rounds = 50
    counts = np.bincount(list(islice(order(weights, np.random.default_rng(0)), 4 * rounds)), minlength=4)
    assert counts[2:].tolist() == [rounds, 2 * rounds]
    assert counts[:2].sum() == rounds


def test_a_varied_view_has_its_size_and_a_known_color_keeps_its_name() -> None:
    red = np.zeros((*wide_size(64, 80), 3), dtype=np.uint8)
    red[..., 2] = 200
    random = np.random.default_rng(0)
    for _ in range(100):
        view = varied(red, 64, 80, random, any_color=False)
        assert view.shape == (64, 80, 3)
        blue, green, strongest = np.median(view.reshape(-1, 3), axis=0)
        assert strongest > blue + 40
        assert strongest > green + 40


def test_where_nothing_is_known_the_color_varies() -> None:
    red = np.zeros((*wide_size(64, 80), 3), dtype=np.uint8)
    red[..., 2] = 200
    random = np.random.default_rng(0)
    strongest = {int(varied(red, 64, 80, random, any_color=True).mean(axis=(0, 1)).argmax()) for _ in range(100)}
    assert strongest == {0, 1, 2}


def test_the_middle_of_a_wide_view_is_what_the_served_model_gets() -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(coarse, (600, 480), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    for area in (Box(150, 120, 400, 320), Box(0, 0, 600, 480), Box(-20, 300, 300, 520)):
        served, wide = crop_vehicle(image, area), crop_wide(image, area)
        top, left = (wide.shape[0] - 128) // 2, (wide.shape[1] - 160) // 2
        middle = wide[top : top + 128, left : left + 160]
        assert np.abs(middle.astype(float) - served).mean() < 4
