"""Labelled pictures as the detector's training knows them.

A scene is a picture with everything that is known about it, and with the areas in which something is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from platelane.vision.crops import Image
from platelane.vision.geometry import Box
from training.data.dataset import VEHICLE_LABELS, DataPart, Row, Split, all_plates, all_vehicles, box, box_in, corners
from training.detector.loss import VEHICLE
from training.detector.model import LABELS, PLATE

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

PLATES, VEHICLES = 0, 1
"""Groups of classes that are either all labelled or all unlabelled."""

CLASSES: Final = dict.fromkeys(VEHICLE_LABELS, VEHICLE) | {name: index for index, name in enumerate(LABELS)}

CROP_CLASSES: Final = {"Sedan": "car", "SUV": "car", "Van": "car", "Big Truck": "truck", "Bus": "bus"} | {
    "Motorcycle": "motorcycle",
    "Pickup Truck": "vehicle",
}
"""Vehicle crops are labelled by body type."""

CROP_SETS: Final = ("stanford_cars_train", "id_highway", "oi_vehicles")
"""Sets whose vehicle crops fit tightly around the vehicle."""

CROP_MARGIN: Final = 0.02
"""Margin around the vehicle in such a picture, as a share of its sides."""

CROPS_A_TYPE: Final = 500

PLATE_CROPS_A_SET: Final = {"train": 800, "val": 50}

WEIGHTS: Final = {
    "mixed_plates_300": 0.7,
    "id_highway": 4.0,
    "oi_vehicles": 3.5,
    "atl_traffic": 8.0,
    "ro_dashcam_plates": 1.5,
    "oi_license_plates": 2.0,
    "es_ablanco": 1.5,
    "kaggle_carplate_cc0": 2.0,
    "bdd_dashcam": 5.0,
    "bd_dhaka_traffic": 10.0,
    "in_tractors": 4.0,
    "oi_google_plates": 2.0,
    "caltech_cars_rear": 1.5,
}
"""How often a picture of a set is shown, by default 1; rare kinds of scenes are shown more often."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and what is known about it, in its pixels."""

    image: Image
    boxes: Floats
    """Shape (N, 4): xmin, ymin, xmax, ymax."""
    classes: Integers
    """Shape (N,): index into `LABELS`, or `VEHICLE`."""
    corners: Floats
    """Shape (N, 4, 2), NaN if unknown."""
    ignored: Floats
    """Shape (M, 4): areas in which a group is not (fully) labelled."""
    ignored_groups: Integers
    """Shape (M,): `PLATES` or `VEHICLES`."""

    @property
    def groups(self) -> Integers:
        """Shape (N,): the group of each object."""
        return np.where(self.classes == PLATE, PLATES, VEHICLES).astype(np.int64)


def empty_scene(image: Image, unknown: Collection[int] = ()) -> Scene:
    """A picture without objects; `unknown` has the groups that are not labelled."""
    height, width = image.shape[:2]
    return Scene(
        image=image,
        boxes=np.zeros((0, 4), np.float32),
        classes=np.zeros(0, np.int64),
        corners=np.zeros((0, 4, 2), np.float32),
        ignored=np.array([[0, 0, width, height]] * len(unknown), np.float32).reshape(-1, 4),
        ignored_groups=np.array(list(unknown), np.int64),
    )


def labelled_scene(image: Image, rows: Sequence[Row]) -> Scene:
    """A photograph with its label rows; groups that its `labelled` column does not list as complete are unknown."""
    known = ((PLATES, all_plates(rows[0])), (VEHICLES, all_vehicles(rows[0])))
    unknown = [group for group, all_of_it in known if not all_of_it]
    rows = [row for row in rows if row["class"] in CLASSES and row["xmin"]]
    known_corners = [corners(row) for row in rows]
    unlabelled = np.full((4, 2), np.nan, np.float32)
    return replace(
        empty_scene(image, unknown),
        boxes=np.array([astuple(box(row)) for row in rows], np.float32).reshape(-1, 4),
        classes=np.array([CLASSES[row["class"]] for row in rows], np.int64),
        corners=np.array([unlabelled if c is None else c for c in known_corners], np.float32).reshape(-1, 4, 2),
    )


@dataclass(frozen=True, slots=True)
class Scenes:
    """All scenes of a split."""

    photos: list[Scene]
    weights: Floats
    """How often to show each photo."""
    negatives: list[Scene]
    crops: list[Scene]
    """Single vehicles that fill their picture; plates are not labelled."""
    close_ups: list[Scene]
    """Single plates that fill their picture, or nearly so."""


def load_scenes(root: Path, split: Split, exclude_sets: Collection[str] = ()) -> Scenes:
    """Decode a split into memory (about 4 GB for `train`). Only the part `photos` is required."""
    photos: list[Scene] = []
    shares: list[float] = []
    for part in _parts(root, "photos", "photos_more"):
        rows = part.by_picture(split, exclude_sets)
        photos += [labelled_scene(image, rows[name]) for name, image in part.pictures(rows)]
        shares += [WEIGHTS.get(labels[0]["set"], 1.0) for labels in rows.values()]
    weights = np.array(shares, np.float32)

    part = DataPart(root, "negatives", optional=True)
    negatives = [empty_scene(image) for _, image in part.pictures(part.by_picture(split, exclude_sets))]

    part = DataPart(root, "vehicles", optional=True)
    chosen: dict[str, list[Row]] = {}
    for row in part.rows(split, exclude_sets):
        if row["set"] in CROP_SETS and row["type"] in CROP_CLASSES:
            chosen.setdefault(row["type"], []).append(row)
    kinds = {
        row["file"]: CROP_CLASSES[kind]
        for kind, candidates in chosen.items()
        for row in _spread(candidates, CROPS_A_TYPE)
    }
    crops = [_filling_scene(image, CLASSES[kinds[name]]) for name, image in part.pictures(kinds)]

    close_ups: list[Scene] = []
    for part in _parts(root, "plates", "plates_more"):
        rows_by_set: dict[str, list[Row]] = {}
        for row in part.rows(split, exclude_sets):
            rows_by_set.setdefault(row["set"], []).append(row)
        shown = {row["file"]: row for rows in rows_by_set.values() for row in _spread(rows, PLATE_CROPS_A_SET[split])}
        close_ups += [_cut_out(image, shown[name]) for name, image in part.pictures(shown)]
    return Scenes(photos, weights / weights.sum(), negatives, crops, close_ups)


def _parts(root: Path, part: str, further: str) -> list[DataPart]:
    """A part of the data, and a later one of the same kind; only `photos` is required."""
    return [DataPart(root, part, optional=part != "photos"), DataPart(root, further, optional=True)]


def moved(scene: Scene, dx: int, dy: int) -> Scene:
    offset = np.array([dx, dy, dx, dy], np.float32)
    return replace(
        scene, boxes=scene.boxes + offset, corners=scene.corners + offset[:2], ignored=scene.ignored + offset
    )


def joined(image: Image, parts: Sequence[Scene]) -> Scene:
    """One scene with the labels of several."""
    return Scene(
        image=image,
        boxes=np.concatenate([part.boxes for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        corners=np.concatenate([part.corners for part in parts]),
        ignored=np.concatenate([part.ignored for part in parts]),
        ignored_groups=np.concatenate([part.ignored_groups for part in parts]),
    )


def _spread(rows: list[Row], count: int) -> list[Row]:
    """At most `count` rows, evenly spaced over the list."""
    return rows[:: max(1, math.ceil(len(rows) / count))]


def _cut_out(image: Image, row: Row) -> Scene:
    """The scene of a cut-out plate."""
    known = corners(row)
    return replace(
        empty_scene(image),
        boxes=np.array([astuple(box_in(row, image))], np.float32),
        classes=np.array([PLATE], np.int64),
        corners=(np.full((4, 2), np.nan, np.float32) if known is None else known)[None],
    )


def _filling_scene(image: Image, kind: int) -> Scene:
    """The scene of a vehicle that fills its picture except for a margin."""
    height, width = image.shape[:2]
    return replace(
        empty_scene(image, [PLATES]),
        boxes=np.array([astuple(Box(0, 0, width, height).grown(-CROP_MARGIN))], np.float32),
        classes=np.array([kind], np.int64),
        corners=np.full((1, 4, 2), np.nan, np.float32),
    )
