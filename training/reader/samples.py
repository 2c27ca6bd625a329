"""Labelled plates for the reader: picture, corners, CTC target and the regions that the label allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from platelane.regions import country
from platelane.vision.crops import Image, cut
from platelane.vision.geometry import Box, Corners
from training.data.areas import EUROPE
from training.data.dataset import DataPart, Row, Split, all_plates, any_of, box, box_in, in_unseen_half, quadrilateral
from training.reader.text import target

SHARES: Final = {
    "us": 0.26,
    "europe": 0.27,
    "br": 0.10,
    "vn": 0.05,
    "cn": 0.05,
    "pk": 0.04,
    "in": 0.05,
    "tw": 0.03,
    "om": 0.03,
    "others": 0.10,
    "designs": 0.02,
}
"""How often each group of regions is drawn, regardless of its size, because training on one alone ruins the others."""
DESIGNS: Final = "designs"
"""The group of published designs, whose regions are known, but not their texts."""
FURTHER: Final = (("plates_more", "photos_more"),)
"""Crops and photographs that a folder may contain besides `plates` and `photos`."""

BACKGROUND_WIDTHS: Final = (40.0, 240.0)
"""Least and greatest width, in pixels, of areas without plates."""
BACKGROUND_ASPECTS: Final = (1.2, 5.0)
"""Their aspect ratios, width by height."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled plate. `classes` is None if the text is uncertain, and `()` if this is not a plate. `region` is
    empty if unknown. `group` is one of `SHARES`, or empty for that of the region.

    `cuts` are the corners that the served models find for the plate.
    """

    image: Image
    corners: Corners
    classes: tuple[int, ...] | None
    region: str
    legible: bool
    cuts: tuple[Corners, ...] = ()
    group: str = ""
    weight: float = 1.0
    """Weight of the sample among those of its group and region."""
    set: str = ""


Cutter = Callable[[Image, Box], tuple[Corners, ...]]
"""A function from a picture and a box to the corners of the plate in it."""


def with_probability(cutter: Cutter, share: float, random: np.random.Generator) -> Cutter:
    """The cutter, applied to a share of the plates only, because it takes a tenth of a second each."""
    return lambda image, plate: cutter(image, plate) if random.random() < share else ()


def load(root: Path, split: Split, exclude_sets: Collection[str] = (), cutter: Cutter | None = None) -> list[Sample]:
    """All plates of `plates`, those of `photos` that are not in `plates` already (in larger pictures), the same of the
    further parts, and published designs. Of the validation split, only the half that is used to choose weights.

    `cutter` finds their `cuts`.
    """
    pairs = (("plates", "photos"), *FURTHER)
    found = {part.name: part for part in any_of(root, *(name for pair in pairs for name in pair))}
    samples: list[Sample] = []
    for crops, photos in pairs:
        known = {(row["set"], row["text"]) for row in found[crops].rows(split)}
        samples += of_part(found[crops], split, exclude_sets, frozenset(), cutter)
        if split == "train":
            samples += of_part(found[photos], split, exclude_sets, frozenset(known), cutter)
    if split == "train":
        samples += _designs(DataPart(root, "us_designs", optional=True), split, exclude_sets)
    return samples


def _designs(part: DataPart, split: Split, exclude_sets: Collection[str]) -> list[Sample]:
    """Published designs, each with a margin in the colour of its edge."""
    regions = {row["file"]: row["region"] for row in part.rows(split, exclude_sets)}
    samples = []
    for file, image in part.pictures(regions):
        height, width = image.shape[:2]
        top, left = height // 2, width // 2
        view = cv2.copyMakeBorder(image, top, top, left, left, cv2.BORDER_REPLICATE)
        corners = Box(left, top, left + width, top + height).corners()
        samples.append(Sample(np.asarray(view, np.uint8), corners, None, regions[file], legible=False, group=DESIGNS))
    return samples


def load_backgrounds(
    root: Path, split: Split, random: np.random.Generator, exclude_sets: Collection[str] = ()
) -> list[Sample]:
    """A plate-sized area without plates from every picture; empty if the folder has no suitable pictures."""
    found: list[Sample | None] = []
    for part in (DataPart(root, name, optional=True) for name in ("negatives", "photos")):
        plates_by_picture = {
            file: [box(row) for row in rows if row["class"] == "plate" and row["xmin"]]
            for file, rows in part.by_picture(split, exclude_sets).items()
            if part.name == "negatives" or all_plates(rows[0])
        }
        pictures = zip(part.pictures(plates_by_picture), plates_by_picture.values(), strict=True)
        found += [background(image, plates, random) for (_, image), plates in pictures]
    return [sample for sample in found if sample is not None]


def background(image: Image, plates: Sequence[Box], random: np.random.Generator) -> Sample | None:
    """A random area of a picture that touches none of its plates; None if none was found."""
    height, width = image.shape[:2]
    for _ in range(10):
        along = min(float(np.exp(random.uniform(*np.log(BACKGROUND_WIDTHS)))), 0.9 * width)
        down = min(along / random.uniform(*BACKGROUND_ASPECTS), 0.9 * height)
        x, y = random.uniform(0, width - along), random.uniform(0, height - down)
        area = Box(x, y, x + along, y + down)
        if all(area.intersection(plate) == 0 for plate in plates):
            view, corners = around(image, area.corners(), margin=0.2)
            return Sample(view, corners, (), "", legible=True)
    return None


def group_of(region: str) -> str:
    """The group of `SHARES` that a region code belongs to."""
    code = country(region)
    if code in SHARES:
        return code
    return "europe" if code in EUROPE else "others"


def weights(samples: Sequence[Sample]) -> NDArray[np.float64]:
    """Sampling probabilities: `SHARES` for groups; within a group, rare regions somewhat more often."""
    regions = Counter(sample.region for sample in samples)
    raw = np.array([sample.weight * regions[sample.region] ** -0.35 for sample in samples])
    groups = np.array([sample.group or group_of(sample.region) for sample in samples])
    for name, share in SHARES.items():
        members = groups == name
        if members.any():
            raw[members] *= share / raw[members].sum()
    return np.asarray(raw / raw.sum(), dtype=np.float64)


def allowed_regions(code: str, regions: Sequence[str]) -> NDArray[np.bool_]:
    """Which of `regions` a label allows, shape (R,): `us` allows all of its states, an empty code nothing."""
    return np.array([bool(code) and (region == code or region.startswith(f"{code}-")) for region in regions])


def around(image: Image, plate: Corners, margin: float = 0.5) -> tuple[Image, Corners]:
    """The plate cut out of a photograph with a margin relative to its size, and its corners in that crop."""
    area = Box.around(plate).grown(margin).clipped(image.shape[1], image.shape[0])
    return cut(image, area).copy(), plate - np.array([area.xmin, area.ymin], dtype=np.float32)


def of_part(
    part: DataPart,
    split: Split,
    exclude_sets: Collection[str] = (),
    known: frozenset[tuple[str, str]] = frozenset(),
    cutter: Cutter | None = None,
) -> list[Sample]:
    """The plates of a part that have texts, except those whose set and text are in `known`."""
    rows_of = part.by_picture(split, exclude_sets)
    wanted = {
        file: [row for row in rows if _is_plate_with_text(row) and (row["set"], row["text"]) not in known]
        for file, rows in rows_of.items()
        if split == "train" or not in_unseen_half(rows)
    }
    wanted = {file: rows for file, rows in wanted.items() if rows}
    pictures = tqdm(part.pictures(wanted), part.name, len(wanted), disable=cutter is None)
    return [_sample(image, row, cutter) for file, image in pictures for row in wanted[file]]


def _is_plate_with_text(row: Row) -> bool:
    return row["class"] in ("", "plate") and bool(row["text"])


def _sample(image: Image, row: Row, cutter: Cutter | None) -> Sample:
    known = quadrilateral(row, image)
    view, plate = around(image, known)
    cuts = cutter(image, box_in(row, image)) if cutter else ()
    classes = None if "?" in row["text"] else target(row["text"])
    moved = tuple(cut + (plate - known)[0] for cut in cuts)
    return Sample(view, plate, classes, row["region"], row["legibility"] != "hard", moved, set=row["set"])
