"""Plates spliced from two labelled ones: new texts in real print and real light.

A reader that has seen the same eight thousand texts for hours memorises them. The left part of one plate joined to the
right part of another of the same kind changes nothing but the text. With two lines, the joint may be in either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from platelane.vision.crops import PLATE_MARGIN, Image, corners_in_crop, rectify_plate
from training.reader.model import COLUMNS, Reader
from training.reader.samples import Sample
from training.reader.text import BLANK

SHAPE: Final = (128, 320)
"""Height and width in pixels of a straightened plate with its surroundings, at twice the reader's resolution."""
MARGIN: Final = 0.25
"""Margin around the plate, as a share of its width and height."""
FARTHEST: Final = 0.07
"""How far the other plate's part may be moved to the joint, as a share of the plate's width."""
TRIES: Final = 4
BATCH: Final = 64

Kind = tuple[str, tuple[int, ...], bool]
"""The kind of a plate: region, number of characters per line, and whether letters are brighter than the plate."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """A plate with known positions of its characters."""

    sample: Sample
    kind: Kind
    middles: tuple[float, ...]
    """The centre of each character, as a share of the plate's width."""


@dataclass(frozen=True, slots=True)
class Splices:
    """The plates that can be spliced, by index in a list of samples and by kind."""

    aligned: dict[int, Aligned]
    alike: dict[Kind, list[Aligned]]

    @classmethod
    def of(cls, samples: Sequence[Sample], model: Reader) -> Splices:
        """The `samples` that the model reads correctly, because its frames then show where the characters are.

        They are cut by the corners of the served models if there are any, because many labels are only boxes.
        """
        device = next(model.parameters()).device
        samples = [replace(sample, corners=sample.cuts[-1]) if sample.cuts else sample for sample in samples]
        legible = [i for i, sample in enumerate(samples) if sample.classes and sample.region]
        aligned = {}
        for start in range(0, len(legible), BATCH):
            chosen = legible[start : start + BATCH]
            crops = np.stack([rectify_plate(samples[i].image, samples[i].corners) for i in chosen])
            with torch.inference_mode():
                frames = model.eval()(torch.from_numpy(crops).to(device))[0].argmax(dim=2).cpu().numpy()
            for i, crop, best in zip(chosen, crops, frames, strict=True):
                classes, lines, middles = characters(best)
                if classes == samples[i].classes:
                    aligned[i] = Aligned(samples[i], (samples[i].region, lines, _bright_letters(crop)), middles)
        alike = defaultdict(list)
        for plate in aligned.values():
            alike[plate.kind].append(plate)
        return cls(aligned, dict(alike))

    def sample(self, index: int, sample: Sample, random: np.random.Generator) -> Sample:
        """`sample`, which is at `index`, spliced with another plate; unchanged if none fits."""
        plate = self.aligned.get(index)
        if plate is None:
            return sample
        others = self.alike[plate.kind]
        for _ in range(TRIES):
            put_together = spliced(plate, others[random.integers(len(others))], random)
            if put_together is not None:
                return put_together
        return sample


def characters(best: NDArray[np.int64]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]:
    """Classes, number per non-empty line, and centres, from the best class of each of the 80 frames."""
    runs: list[list[int]] = []
    before = BLANK
    for frame, index in enumerate(best.tolist()):
        if index != BLANK:
            if index == before:
                runs[-1][2] = frame
            else:
                runs.append([index, frame, frame])
        before = index
    lines = [sum(run[1] // COLUMNS == row for run in runs) for row in range(len(best) // COLUMNS)]
    whole = 1 + 2 * PLATE_MARGIN
    middles = (
        ((first % COLUMNS + last % COLUMNS + 1) / (2 * COLUMNS)) * whole - PLATE_MARGIN for _, first, last in runs
    )
    return tuple(run[0] for run in runs), tuple(count for count in lines if count), tuple(middles)


def spliced(plate: Aligned, other: Aligned, random: np.random.Generator) -> Sample | None:
    """The beginning of one plate and the end of another of its kind; None if their gaps are too far apart."""
    assert plate.sample.classes is not None
    assert other.sample.classes is not None
    lines = plate.kind[1]
    if sum(lines) < 2:
        return None
    count = int(random.integers(1, sum(lines)))
    gap, other_gap = ((one.middles[count - 1] + one.middles[count]) / 2 for one in (plate, other))
    within_a_line = count != lines[0]
    if within_a_line and abs(gap - other_gap) > FARTHEST:
        return None

    height, width = SHAPE
    corners = corners_in_crop(MARGIN, SHAPE)
    picture, addition = (rectify_plate(one.sample.image, one.sample.corners, MARGIN, SHAPE) for one in (plate, other))
    addition = _match_light(picture, addition)
    middle = height // 2
    top, bottom = (0, height) if len(lines) == 1 else (0, middle) if count <= lines[0] else (middle, height)
    if within_a_line:
        unit = width / (1 + 2 * MARGIN)
        shift, seam = round((gap - other_gap) * unit), round((gap + MARGIN) * unit)
        picture[top:bottom, seam:] = np.roll(addition, shift, axis=1)[top:bottom, seam:]
        if len(lines) == 1:
            corners = corners + np.array([[0, 0], [shift, 0], [shift, 0], [0, 0]], np.float32)
    picture[bottom:] = addition[bottom:]
    classes = plate.sample.classes[:count] + other.sample.classes[count:]
    return replace(plate.sample, image=picture, corners=corners, classes=classes, cuts=())


def _match_light(picture: Image, other: Image) -> Image:
    """`other` with the brightness, contrast and colour of `picture`, measured on the plates in their centres."""
    (mean, spread), (other_mean, other_spread) = (_light(each) for each in (picture, other))
    gain = np.clip(spread / np.maximum(other_spread, 1.0), 0.4, 2.5)
    return np.clip((other - other_mean) * gain + mean, 0, 255).astype(np.uint8)


def _light(picture: Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    height, width = picture.shape[:2]
    plate = picture[height // 4 : -height // 4, width // 4 : -width // 4].reshape(-1, 3).astype(np.float32)
    return plate.mean(axis=0), plate.std(axis=0)


def _bright_letters(crop: Image) -> bool:
    """Whether letters are bright: they cover less than half of the plate, so the mean is then above the median."""
    height, width = crop.shape[:2]
    grey = crop[height // 5 : -height // 5, width // 8 : -width // 8].mean(axis=2)
    return bool(grey.mean() > np.median(grey))
