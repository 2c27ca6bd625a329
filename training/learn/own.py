"""The user's plates as samples: found by the served detector, cut as the server cuts them, split by text."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from rapidfuzz.distance import Levenshtein
from tqdm import tqdm

from detector.search import FoundPlate
from platelane.errors import BadImage
from platelane.pb.v1 import domain_pb2
from platelane.vision.crops import ALIGNER_MARGIN, Image, out_of_crop, rectify_plate
from platelane.vision.geometry import Box, Corners
from training.learn.folder import Folder
from training.learn.rows import Fault, PlateRow
from training.learn.served import Models
from training.reader.samples import Sample, around
from training.reader.text import target

HELD_BACK: Final = 0.25
"""Share of the texts that are held back to measure on."""
MOST_HELD_BACK: Final = 250
WIDEST: Final = 320.0
"""Largest width of a kept plate in pixels: twice what the reader sees."""
MARGIN: Final = 0.5
"""Margin kept around a plate, as a share of its width and height."""
SAME: Final = 0.3
"""Least IoU of a detection with the box in its row."""
ALIKE: Final = 0.5
"""Least share of equal characters for matching a reading with a row's text."""


@dataclass(frozen=True, slots=True)
class OwnPlate:
    """A row with its pixels. `sample.corners` are the served corners; `cuts` are all by which the server may cut it."""

    row: PlateRow
    sample: Sample


def found_plates(folder: Folder, rows: Sequence[PlateRow], models: Models) -> tuple[list[OwnPlate], list[Fault]]:
    """The plate of every row, and faults for rows whose plate is not found or ambiguous."""
    by_file: dict[str, list[PlateRow]] = defaultdict(list)
    for row in rows:
        by_file[row.file].append(row)
    plates: list[OwnPlate] = []
    faults: list[Fault] = []
    for file, own in tqdm(by_file.items(), "finding plates", unit="picture", dynamic_ncols=True, disable=None):
        try:
            image = folder.picture(file)
        except BadImage as error:
            faults += [Fault(row.place, f"{file}: {error.detail}") for row in own]
            continue
        for row, cuts in zip(own, _assigned(image, own, models), strict=True):
            if isinstance(cuts, str):
                faults.append(Fault(row.place, f"{file}: {cuts}"))
            else:
                plates.append(OwnPlate(row, _sample(image, cuts, row)))
    return plates, faults


def split(plates: Sequence[OwnPlate]) -> tuple[list[OwnPlate], list[OwnPlate]]:
    """Plates to train on, and to measure on: a quarter of the texts of each region, the same in every run."""
    by_region: dict[str, set[str]] = defaultdict(set)
    for plate in plates:
        by_region[plate.row.region].add(plate.row.text)
    held: set[str] = set()
    for texts in by_region.values():
        order = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
        held |= set(order[: round(len(order) * HELD_BACK)])
    most = sorted(held, key=lambda text: hashlib.sha256(text.encode()).digest())[:MOST_HELD_BACK]
    held = set(most)
    train = [plate for plate in plates if plate.row.text not in held]
    return train, [plate for plate in plates if plate.row.text in held]


def halved(plates: Sequence[OwnPlate]) -> tuple[list[OwnPlate], list[OwnPlate]]:
    """The plates split in two halves by text, the same in every run."""
    order = sorted({plate.row.text for plate in plates}, key=lambda text: hashlib.sha256(text.encode()).digest())
    first = set(order[::2])
    return [plate for plate in plates if plate.row.text in first], [p for p in plates if p.row.text not in first]


def _assigned(image: Image, rows: Sequence[PlateRow], models: Models) -> list[tuple[Corners, ...] | str]:
    """For each row of a picture, the corners of its plate, best first, or why there are none."""
    height, width = image.shape[:2]
    outside = [row for row in rows if row.box and (row.box.xmax > width + 1 or row.box.ymax > height + 1)]
    found = list(models.find(image).plates)
    free = list(range(len(found)))
    result: dict[int, tuple[Corners, ...] | str] = {}
    for i, row in enumerate(rows):
        if row in outside:
            result[i] = f"the box is not inside the picture, which is {width} x {height}"
        elif row.box:
            best = max(free, key=lambda k: found[k].box.iou(row.box or Box(0, 0, 0, 0)), default=None)
            if best is not None and found[best].box.iou(row.box) >= SAME:
                free.remove(best)
                result[i] = _cuts(found[best])
            else:
                result[i] = _by_box(image, row.box.clipped(width, height), models)
    left = [i for i in range(len(rows)) if i not in result]
    if not left:
        return [result[i] for i in range(len(rows))]
    read = _read(image, [found[k] for k in free], models)
    alike = {
        (i, k): Levenshtein.normalized_similarity(rows[i].text, text)
        for i in left
        for k, text in zip(free, read, strict=True)
    }
    for (i, k), likeness in sorted(alike.items(), key=lambda item: -item[1]):
        if i not in result and k in free and likeness >= ALIKE:
            result[i] = _cuts(found[k])
            free.remove(k)
    left = [i for i in left if i not in result]
    if len(left) == 1 and free:  # a plate that cannot be read yet is the one detected best
        result[left[0]] = _cuts(found[max(free, key=lambda k: found[k].score * found[k].box.area ** 0.5)])
    elif len(left) == 1 and not found:
        result[left[0]] = "no plate is found: add its box (xmin ymin xmax ymax)"
    for i in left:
        result.setdefault(i, "it is not clear which plate is meant: add its box (xmin ymin xmax ymax)")
    return [result[i] for i in range(len(rows))]


def _read(image: Image, plates: Sequence[FoundPlate], models: Models) -> list[str]:
    if not plates:
        return []
    crops = np.stack([rectify_plate(image, plate.corners) for plate in plates])
    answers: list[domain_pb2.Plate] = models.read(models.run("reader", crops))
    return [answer.text for answer in answers]


def _cuts(plate: FoundPlate) -> tuple[Corners, ...]:
    return plate.corners, plate.corners_from_box


def _by_box(image: Image, box: Box, models: Models) -> tuple[Corners, ...]:
    """Corners of a plate that the detector does not find: the aligner's, from the box, and the box's own."""
    start = box.corners()
    seen = models.run("aligner", rectify_plate(image, start, ALIGNER_MARGIN)[None])["corners"][0]
    refined = out_of_crop(seen, start, ALIGNER_MARGIN)
    fits = cv2.isContourConvex(refined) and Box.around(refined).iou(box) >= SAME
    return (refined, start) if fits else (start,)


def _sample(image: Image, cuts: tuple[Corners, ...], row: PlateRow) -> Sample:
    """The plate with its surroundings, scaled down to the size that is useful."""
    view, corners = around(image, cuts[0], MARGIN)
    moved = [cut + (corners - cuts[0])[0] for cut in cuts]
    wide = float(np.linalg.norm(corners[1] - corners[0]))
    if wide > WIDEST:
        height, width = view.shape[:2]
        size = max(1, round(width * WIDEST / wide)), max(1, round(height * WIDEST / wide))
        ratio = np.array([size[0] / width, size[1] / height], np.float32)
        view = np.asarray(cv2.resize(view, size, interpolation=cv2.INTER_AREA), np.uint8)
        moved = [cut * ratio for cut in moved]
    sample = Sample(view, moved[0], target(row.text), row.region, legible=True)
    return replace(sample, cuts=tuple(moved))
