"""Vehicle views to train and to measure on.

A view is what `crops.crop_vehicle` cuts out for the model. For training it is kept with some surroundings, so that its
frame can be moved as the detector's boxes move.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import VEHICLE_MARGIN, VEHICLE_SHAPE, Image, crop_vehicle, cut
from platelane.vision.geometry import Box
from training.attributes.labels import CLASS_TYPES, HEADS, Labels, Target
from training.data.dataset import DataPart, Row, Split, box

Random = np.random.Generator
Pixels = NDArray[np.uint8]

SURROUNDINGS: Final = 1 / 11
"""Share of a view's width and height that is kept around it for training."""

SMALLEST_VEHICLE: Final = 32.0
"""Vehicle boxes of the photographs that are narrower than this, in pixels, are left out."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One labelled vehicle of a picture; no box where it fills the picture."""

    file: str
    set: str
    box: Box | None
    targets: dict[str, Target]


@dataclass(frozen=True, slots=True)
class Views:
    """Vehicles with their pixels, UINT8 (N, H, W, 3)."""

    vehicles: list[Vehicle]
    pixels: NDArray[np.uint8]


def vehicle_around(plate: Box, picture: Box) -> Box:
    """A guess at the vehicle that carries a plate, for photographs without vehicle boxes.

    A car is about 3.5 plates wide seen head-on and up to twice that seen from the side; its plate hangs low in the
    middle. Plates with two lines are narrower, and tilted ones are foreshortened: then the height says how large.
    """
    unit = max(plate.width, 2.5 * plate.height)
    x, y = plate.center
    guess = Box(x - 2.4 * unit, y - 2.5 * unit, x + 2.4 * unit, y + 1.0 * unit)
    return guess.clipped(round(picture.width), round(picture.height))


def labelled_vehicles(
    part: DataPart, split: Split, labels: Labels, exclude_sets: Collection[str] = ()
) -> list[Vehicle]:
    """The vehicles of a part about which anything is known.

    Classes of boxes (a "car") say less than a type and are only used to train.
    """
    rows = part.rows(split, exclude_sets)
    if part.name.startswith("vehicles"):
        found = [Vehicle(row["file"], row["set"], None, labels.targets(row)) for row in rows]
    else:
        found = [v for row in rows if (v := _vehicle_of_photo(row, split, labels)) is not None]
    return [v for v in found if any(not t.admissible.all() or t.smoothing for t in v.targets.values())]


def _vehicle_of_photo(row: Row, split: Split, labels: Labels) -> Vehicle | None:
    if row["class"] == "plate":
        picture = Box(0, 0, float(row["width"]), float(row["height"]))
        targets = labels.targets(row, prefix="vehicle_")
        return Vehicle(row["file"], row["set"], vehicle_around(box(row), picture), targets)
    if split == "train" and row["class"] in CLASS_TYPES and box(row).width >= SMALLEST_VEHICLE:
        return Vehicle(row["file"], row["set"], box(row), labels.targets(row, vehicle_class=row["class"]))
    return None


def served_views(part: DataPart, vehicles: list[Vehicle]) -> Views:
    """The vehicles exactly as the served model gets them."""
    return _views(part, vehicles, VEHICLE_SHAPE, crop_vehicle)


def wide_views(part: DataPart, vehicles: list[Vehicle]) -> Views:
    """The vehicles with their surroundings, to train on; what lies outside a picture repeats its border."""
    return _views(part, vehicles, (*wide_size(*VEHICLE_SHAPE[:2]), 3), crop_wide)


def wide_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of a view of that size with its surroundings."""
    return round(height * (1 + 2 * SURROUNDINGS)), round(width * (1 + 2 * SURROUNDINGS))


def joined(views: list[Views]) -> Views:
    """Several parts' views as one."""
    return Views([v for one in views for v in one.vehicles], np.concatenate([one.pixels for one in views]))


def _views(
    part: DataPart, vehicles: list[Vehicle], shape: tuple[int, ...], crop: Callable[[Image, Box], Image]
) -> Views:
    by_file: dict[str, list[int]] = {}
    for index, vehicle in enumerate(vehicles):
        by_file.setdefault(vehicle.file, []).append(index)
    pixels = np.empty((len(vehicles), *shape), dtype=np.uint8)
    for file, image in part.pictures(by_file):
        for index in by_file[file]:
            pixels[index] = crop(image, vehicles[index].box or Box(0, 0, image.shape[1], image.shape[0]))
    return Views(vehicles, pixels)


def crop_wide(image: Image, area: Box) -> Image:
    """The view of a vehicle with `SURROUNDINGS` on every side, shape (*wide_size(128, 160), 3)."""
    height, width = image.shape[:2]
    view = area.grown(VEHICLE_MARGIN).clipped(width, height)
    wide = view.grown(SURROUNDINGS)
    inside = wide.clipped(width, height)
    shown = cut(image, inside)
    top, bottom = round(inside.ymin - wide.ymin), round(wide.ymax - inside.ymax)
    left, right = round(inside.xmin - wide.xmin), round(wide.xmax - inside.xmax)
    padded = cv2.copyMakeBorder(shown, max(0, top), max(0, bottom), max(0, left), max(0, right), cv2.BORDER_REPLICATE)
    wide_height, wide_width = wide_size(*VEHICLE_SHAPE[:2])
    return np.asarray(cv2.resize(padded, (wide_width, wide_height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def sampling_weights(vehicles: list[Vehicle], showing: Mapping[str, float]) -> NDArray[np.float64]:
    """How often to show each vehicle, on average 1: more often where it says more, and where its labels are rare.

    `showing` is how much a label of each head counts.
    """
    weights = np.full(len(vehicles), 0.05)
    for head in HEADS:
        labels = [int(v.targets[head].admissible.argmax()) if v.targets[head].single else -1 for v in vehicles]
        known = np.array(labels) >= 0
        if not known.any():
            continue
        counts = np.bincount(np.array(labels)[known])
        rarity = np.sqrt(known.sum() / np.count_nonzero(counts) / counts[np.array(labels)[known]])
        weights[known] += showing[head] * rarity
    return np.asarray(weights / weights.mean())


def order(weights: NDArray[np.float64], random: Random) -> Iterator[int]:
    """Endless row numbers; each round shows a row its weight's number of times, rounded up or down by chance."""
    count = len(weights)
    while True:
        shuffled = random.permutation(count)
        ends = np.cumsum(weights[shuffled])
        picks = np.searchsorted(ends, (np.arange(count) + random.random()) * ends[-1] / count)
        yield from random.permutation(shuffled[np.minimum(picks, count - 1)]).tolist()
