"""Labelled photographs: pictures in zip files, labels in CSV files beside them.

Each part consists of `<part>.zip` and `<part>.csv`, with one row per object; the value types below name the columns.
Rows of split `train` are for training, those of split `val` for measuring. `corrections.csv` corrects texts.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal, TextIO

import cv2
import numpy as np

from platelane.vision.crops import Image
from platelane.vision.geometry import Box, Corners
from training.common.errors import DataError

Split = Literal["train", "val"]
Row = dict[str, str]

DEFAULT_DATA = Path("../shared/data")

VEHICLE_CLASSES: Final = ("car", "truck", "bus", "motorcycle")
VEHICLE_LABELS: Final = frozenset({*VEHICLE_CLASSES, "vehicle", "ambulance"})
"""All possible classes of vehicle boxes."""
_NEEDED: Final = frozenset({"file", "split"})
"""Columns that every file must have."""
_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")
_CORNERS: Final = tuple(f"{axis}{i}" for i in (1, 2, 3, 4) for axis in "xy")
_NUMBERS: Final = ("width", "height", *_SIDES, *_CORNERS)
_BLANK: Final = dict.fromkeys(
    (
        *("class", "labelled", "text", "region", "legibility", "lines", *_NUMBERS),
        *("vehicle_type", "vehicle_color", "vehicle_orientation", "type", "color", "orientation"),
        *("make", "model", "year"),
    ),
    "",
)
"""Values for columns that a file lacks."""
_VALUES: Final = {
    "split": frozenset({"train", "val"}),
    "class": frozenset({"", "plate", "person"}) | VEHICLE_LABELS,
    "legibility": frozenset({"", "clear", "hard", "none"}),
}
_REGION: Final = re.compile(r"|unknown|[a-z]{2}(-[a-z0-9]{1,4})?")
_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class DataPart:
    """A part of the data: a zip of pictures with its labels, for example `photos`.

    All methods raise DataError if a file, a column or a picture is missing.
    """

    root: Path
    name: str
    optional: bool = False
    """Whether it may be missing; it then has no rows."""

    @property
    def is_there(self) -> bool:
        """Whether the folder has this part."""
        return (self.root / f"{self.name}.csv").exists()

    def rows(self, split: Split, exclude_sets: Collection[str] = ()) -> list[Row]:
        """The label rows of a split, without the excluded sets; texts known to be wrong are corrected or left blank.

        Missing columns are blank. Invalid labels raise a DataError that lists all of them.
        """
        if self.optional and not self.is_there:
            return []
        right = _corrections().get(self.name, {})
        rows = []
        wrong: list[str] = []
        with self._labels() as file:
            reader = csv.DictReader(file)
            for each in reader:
                row = _BLANK | {"set": self.name} | {name: value or "" for name, value in each.items() if name}
                wrong += [f"{self.name}.csv:{reader.line_num}: {fault}" for fault in _faults(row)]
                if row["split"] == split and row["set"] not in exclude_sets:
                    rows.append(row | {"text": right[row["file"]]} if row["file"] in right else row)
        if wrong:
            more = f"\n... and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise DataError(f"{self.root} has invalid labels:\n" + "\n".join(wrong[:_SHOWN]) + more)
        return rows

    def by_picture(self, split: Split, exclude_sets: Collection[str] = ()) -> dict[str, list[Row]]:
        """The rows of each picture, by its name in the zip, in the order of the file."""
        pictures: dict[str, list[Row]] = {}
        for row in self.rows(split, exclude_sets):
            pictures.setdefault(row["file"], []).append(row)
        return pictures

    def encoded(self, files: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Each file's bytes as stored."""
        if not files:
            return
        with zipfile.ZipFile(self._existing("zip")) as archive:
            for file in files:
                try:
                    yield file, archive.read(file)
                except KeyError:
                    raise DataError(f"{self.root / self.name}.zip has no picture {file!r}") from None

    def pictures(self, files: Collection[str]) -> Iterator[tuple[str, Image]]:
        """Each file decoded, one at a time."""
        for file, data in self.encoded(files):
            yield file, decode(data)

    def _labels(self) -> TextIO:
        """The CSV file, from its start."""
        path = self._existing("csv")
        file = path.open(newline="", encoding="utf-8-sig")
        missing = _NEEDED - set(csv.DictReader(file).fieldnames or ())
        if missing:
            file.close()
            raise DataError(f"{path} has no column {', '.join(sorted(missing))}")
        file.seek(0)
        return file

    def _existing(self, ending: str) -> Path:
        path = self.root / f"{self.name}.{ending}"
        if not path.is_file():
            raise DataError(f"{path} is missing; training/README.md lists under Data what {self.root} must contain")
        return path


def any_of(root: Path, *names: str) -> list[DataPart]:
    """The existing parts; some may be missing.

    Raises:
        DataError: all are missing.
    """
    found = [DataPart(root, name, optional=True) for name in names]
    if not any(part.is_there for part in found):
        DataPart(root, names[0]).rows("train")  # raises an error that names the missing file
    return found


def measurable(root: Path, name: str) -> DataPart:
    """A part to measure on. Raises DataError right away if it has no rows of split `val`."""
    part = DataPart(root, name)
    if not part.rows("val"):
        raise DataError(f"{root / name}.csv has no rows of the split val to measure on")
    return part


def _faults(row: Row) -> list[str]:
    """The invalid values of a row."""
    found = [
        f"{name} {row[name]!r} is not one of {', '.join(sorted(filter(None, values)))}"
        for name, values in _VALUES.items()
        if row[name] not in values
    ]
    if not _REGION.fullmatch(row["region"]):
        found.append(f"region {row['region']!r} is not a code in lower case, such as om or us-ca")
    found += [f"{name} {row[name]!r} is not a number" for name in _NUMBERS if not _is_number(row[name])]
    sides = [row[name] for name in _SIDES]
    if any(sides) and not all(sides):
        found.append("a side of the box is missing")
    elif all(sides) and not found and not (box(row).width > 0 and box(row).height > 0):
        found.append(f"the box {' '.join(sides)} is empty")
    corners_told = [bool(row[name]) for name in _CORNERS]
    if any(corners_told) and not all(corners_told):
        found.append("a coordinate of a corner is missing")
    return found


def _is_number(text: str) -> bool:
    try:
        return not text or math.isfinite(float(text))
    except ValueError:
        return False


@cache
def _corrections() -> dict[str, dict[str, str]]:
    """By part and file: the text of its only plate; blank if uncertain.

    A quarter of the ones on Brazilian plates are labelled as zeros, and a third of the initial I as O, Q or D; MD on
    Vietnamese plates is labelled M0. These were read again by eye, as were plates of the validation split on which the
    reader disagreed. Texts of these sets are blank if a reader trained on them confidently disagrees.
    """
    texts: dict[str, dict[str, str]] = {}
    with (Path(__file__).parent / "corrections.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            texts.setdefault(row["part"], {})[row["file"]] = row["text"]
    return texts


def in_unseen_half(rows: Sequence[Row]) -> bool:
    """Whether the picture with these rows belongs to the unseen half of the validation split.

    One half is used to choose between weights. The other is used neither for training nor for choosing, so that scores
    can be calibrated and measured on it. The half depends on the plates' texts, so a photograph and its crops share it.
    """
    keys = {row["text"] for row in rows if row.get("text")} or {rows[0].get("group") or rows[0]["file"]}
    return all(hashlib.sha256(key.encode()).digest()[0] % 2 == 0 for key in keys)


def decode(data: bytes) -> Image:
    """A picture's pixels, shape (height, width, 3), blue-green-red.

    Raises:
        ValueError: OpenCV cannot read it.
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

    Sets whose only class is "vehicle" label the close ones and leave out those behind.
    """
    labelled = row["labelled"].split()
    return "car" in labelled and "partly" not in labelled


def box(row: Row) -> Box:
    """The labelled box of a row, in pixels of the stored picture."""
    return Box(float(row["xmin"]), float(row["ymin"]), float(row["xmax"]), float(row["ymax"]))


def quadrilateral(row: Row, image: Image) -> Corners:
    """The labelled plate corners; without them, those of the box; without either, those of the picture."""
    labelled = corners(row)
    return box_in(row, image).corners() if labelled is None else labelled


def box_in(row: Row, image: Image) -> Box:
    """The labelled box; the whole picture if there is none, as in crops."""
    return box(row) if row["xmin"] else Box(0, 0, image.shape[1], image.shape[0])


def corners(row: Row) -> Corners | None:
    """The labelled plate corners; None if the row has only a box."""
    if not row["x1"]:
        return None
    values = [float(row[name]) for name in _CORNERS]
    return np.array(values, dtype=np.float32).reshape(4, 2)
