"""Train the aligner, which finds the true corners of a plate that was cut by inaccurate ones.

python -m training.aligner --minutes 40 --served triton_models
python -m training.aligner --export-only
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from platelane.vision.crops import ALIGNER_MARGIN, PLATE_SHAPE, Image, into_crop, out_of_crop, rectify_plate
from platelane.vision.geometry import Corners
from training.aligner.model import UNIT, Aligner
from training.common import loop
from training.common.export import export
from training.data.dataset import Row, Split, any_of, box_in, corners
from training.data.served_corners import ServedCorners
from training.detector.metrics import corner_error
from training.reader.augment import degraded, jittered
from training.reader.samples import Cutter, Sample, around
from training.reader.synthetic import SyntheticPlates

BATCH: Final = 64
DRAWN: Final = 0.2
"""Share of drawn plates: their corners are exact, while labelled ones are two or three pixels off."""
LOOSEST: Final = 2.5
"""Largest error of corners, as a multiple of what the reader is trained with: bad corners of a detector."""
FOUND: Final = 0.5
"""Share of the labelled plates cut by the served detector's corners, where it finds them."""
FOUND_LOOSENESS: Final = 0.6
"""Largest error added to these, because each newly trained detector finds slightly different corners."""
MARGIN: Final = 0.9
"""Margin kept around a plate, as a share of its width and height."""

Batch = tuple[Tensor, Tensor]
"""Crops (B, 64, 160, 3) and their true corners (B, 4, 2) in pixels of the crop."""


def load(root: Path, split: Split, exclude_sets: Sequence[str] = (), finder: Cutter | None = None) -> list[Sample]:
    """Every plate with labelled corners; `finder` finds their `cuts`."""
    samples = []
    for part in any_of(root, "photos", "plates"):
        rows = part.by_picture(split, exclude_sets)
        labelled = {file: [row for row in own if _has_corners(row)] for file, own in rows.items()}
        labelled = {file: own for file, own in labelled.items() if own}
        pictures = tqdm(part.pictures(labelled), part.name, len(labelled), disable=finder is None)
        samples += [_sample(image, row, finder) for file, image in pictures for row in labelled[file]]
    return samples


@dataclass(slots=True)
class AlignerTask:
    """The aligner as a task of the training loop."""

    model: nn.Module
    train: Sequence[Sample]
    val: Sequence[Sample]

    def batches(
        self,
        progress: loop.Progress,  # noqa: ARG002 - equally hard throughout
        random: np.random.Generator,
    ) -> Iterator[Batch]:
        drawn = SyntheticPlates.over(self.train)
        while True:
            rows = random.integers(len(self.train), size=BATCH).tolist()
            samples = [drawn.sample(1.0, random) if random.random() < DRAWN else self.train[row] for row in rows]
            yield _batch([shown(sample, random) for sample in samples])

    def loss(self, model: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        plates, truth = (part.to(device) for part in batch)
        return nn.functional.smooth_l1_loss(model(plates) / UNIT, truth / UNIT, beta=0.1)

    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Mean distance to the labelled corners, as a share of the plate's height, before and after.

        For corners moved at random, and (`found_`) for those that the served detector finds.
        """
        if not self.val:
            return {}
        random = np.random.default_rng(0)
        found = [sample for sample in self.val if sample.cuts]
        moved = distances(model, self.val, [jittered(sample.corners, 1.5, random) for sample in self.val], device)
        if not found:
            return moved | {"score": -moved["after"]}
        served = distances(model, found, [sample.cuts[-1] for sample in found], device)
        return moved | {f"found_{name}": value for name, value in served.items()} | {"score": -served["after"]}


def distances(
    model: nn.Module, samples: Sequence[Sample], given: Sequence[Corners], device: torch.device
) -> dict[str, float]:
    """Distances of `given` corners from the labels, before and after correction by the model."""
    crops = [rectify_plate(one.image, four, ALIGNER_MARGIN) for one, four in zip(samples, given, strict=True)]
    answers = []
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            answers.append(model(torch.from_numpy(np.stack(crops[start : start + BATCH])).to(device)).cpu().numpy())
    corrected = [out_of_crop(a, four, ALIGNER_MARGIN) for a, four in zip(np.concatenate(answers), given, strict=True)]
    result = {}
    for name, side in (("before", given), ("after", corrected)):
        errors = np.array([corner_error(four, sample.corners) for four, sample in zip(side, samples, strict=True)])
        result[name] = float(errors.mean())
        result[f"median_{name}"] = float(np.median(errors))
        result[f"worst_tenth_{name}"] = float(np.quantile(errors, 0.9))
    return result


def shown(sample: Sample, random: np.random.Generator) -> tuple[Image, Corners]:
    """A degraded crop by inaccurate corners, and the true corners in it."""
    if sample.cuts and random.random() < FOUND:
        found = sample.cuts[random.integers(len(sample.cuts))]
        given = jittered(found, random.uniform(0.0, FOUND_LOOSENESS), random)
    else:
        given = jittered(sample.corners, random.uniform(0.2, LOOSEST), random)
    crop = degraded(rectify_plate(sample.image, given, ALIGNER_MARGIN), random.random(), random)
    return crop, into_crop(sample.corners, given, ALIGNER_MARGIN)


def write(model: Aligner, folder: Path) -> None:
    """Export the model into its folder of the model repository."""
    example = torch.zeros((1, *PLATE_SHAPE), dtype=torch.uint8)
    export(model, example, folder / "1" / "model.onnx", "plate", ("corners",))


def main() -> None:
    parser = loop.parser(__doc__, "aligner", minutes=40, learning_rate=1.5e-3)
    parser.add_argument(
        "--served", type=Path, metavar="REPOSITORY", help="also learn to correct the corners that its detector finds"
    )
    arguments = parser.parse_args()
    chosen = loop.options(arguments)
    if not chosen.export_only:
        device = loop.prepare(chosen)
        finder = ServedCorners.of(arguments.served).found if arguments.served else None
        train, val = (load(chosen.data, split, chosen.exclude_sets, finder) for split in ("train", "val"))
        loop.train(AlignerTask(Aligner(), train, val), chosen, device)
    model = Aligner()
    model.load_state_dict(loop.trained(chosen))
    write(model, chosen.model)


def _has_corners(row: Row) -> bool:
    return row["class"] in ("", "plate") and corners(row) is not None


def _sample(image: Image, row: Row, finder: Cutter | None) -> Sample:
    known = corners(row)
    assert known is not None
    view, plate = around(image, known, MARGIN)
    cuts = finder(image, box_in(row, image)) if finder else ()
    moved = tuple(cut + (plate - known)[0] for cut in cuts)
    return Sample(view, plate, None, row["region"], legible=True, cuts=moved)


def _batch(views: Sequence[tuple[Image, Corners]]) -> Batch:
    crops, truth = zip(*views, strict=True)
    return torch.from_numpy(np.stack(crops)), torch.from_numpy(np.stack(truth))
