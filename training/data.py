"""Labelled photographs: pictures in zip files, labels in CSV files beside them.

The layout is one `<part>.zip` and one `<part>.csv` with a row an object; the columns used are named by the value types
below. Rows of split `train` train, rows of split `val` measure; they are never mixed. `corrections.csv` mends texts.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np

from platelane.crops import Image
from platelane.geometry import Box, Corners

Split = Literal["train", "val"]
Row = dict[str, str]

DEFAULT_DATA = Path("../shared/data")

VEHICLE_CLASSES: Final = ("car", "truck", "bus", "motorcycle")
VEHICLE_LABELS: Final = frozenset({*VEHICLE_CLASSES, "vehicle", "ambulance"})
"""All names that a box of a vehicle may have."""


@dataclass(frozen=True, slots=True)
class Part:
    """One zip of pictures with its labels, for example `photos`."""

    root: Path
    name: str

    def rows(self, split: Split, exclude_sets: Collection[str] = ()) -> list[Row]:
        """The label rows of a split, without the named sets; texts known to be wrong are corrected, or left blank."""
        right = _corrections().get(self.name, {})
        with (self.root / f"{self.name}.csv").open(newline="", encoding="utf-8") as file:
            return [
                row | {"text": right[row["file"]]} if row["file"] in right else row
                for row in csv.DictReader(file)
                if row["split"] == split and row["set"] not in exclude_sets
            ]

    def by_picture(self, split: Split, exclude_sets: Collection[str] = ()) -> dict[str, list[Row]]:
        """The rows of each picture, by its name in the zip, in the order of the file."""
        pictures: dict[str, list[Row]] = {}
        for row in self.rows(split, exclude_sets):
            pictures.setdefault(row["file"], []).append(row)
        return pictures

    def encoded(self, files: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Each file's bytes as stored."""
        with zipfile.ZipFile(self.root / f"{self.name}.zip") as archive:
            for file in files:
                yield file, archive.read(file)

    def pictures(self, files: Collection[str]) -> Iterator[tuple[str, Image]]:
        """Each file decoded, one at a time."""
        for file, data in self.encoded(files):
            yield file, decode(data)


@cache
def _corrections() -> dict[str, dict[str, str]]:
    """By part and file: the text of its one plate, blank where it is not certain.

    On Brazilian plates a quarter of the ones are labelled as zeros and a third of the first letters I as O, Q or D, on
    Vietnamese ones MD as M0: these were read again by eye, as was what the reader read otherwise in the validation
    split. Blank are texts of these sets with which a reader trained on them surely disagrees.
    """
    texts: dict[str, dict[str, str]] = {}
    with (Path(__file__).parent / "corrections.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            texts.setdefault(row["part"], {})[row["file"]] = row["text"]
    return texts


def decode(data: bytes) -> Image:
    """A picture's pixels, shape (height, width, 3), blue-green-red.

    Raises:
        ValueError: it is none that OpenCV can read.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("not a picture that OpenCV can read")
    return np.asarray(image, dtype=np.uint8)


def all_plates(row: Row) -> bool:
    """Whether every plate of the row's photograph is labelled."""
    return "plate" in row["labelled"].split()


def all_vehicles(row: Row) -> bool:
    """Whether every vehicle of the row's photograph is labelled.

    Sets that say only "vehicle" box the close ones and leave out those behind.
    """
    labelled = row["labelled"].split()
    return "car" in labelled and "partly" not in labelled


def box(row: Row) -> Box:
    """The labelled box of a row, in pixels of the stored picture."""
    return Box(float(row["xmin"]), float(row["ymin"]), float(row["xmax"]), float(row["ymax"]))


def quadrilateral(row: Row) -> Corners:
    """The labelled plate corners, or those of the box where nobody labelled them."""
    labelled = corners(row)
    return box(row).corners() if labelled is None else labelled


def corners(row: Row) -> Corners | None:
    """The labelled plate corners, or None where the row has only a box."""
    if not row["x1"]:
        return None
    values = [float(row[f"{axis}{i}"]) for i in (1, 2, 3, 4) for axis in "xy"]
    return np.array(values, dtype=np.float32).reshape(4, 2)
