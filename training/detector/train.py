"""Train the detector, one model for plates with corners and for vehicles, from the labelled photographs alone.

    python -m training.detector --minutes 40 --out runs/detector-first
    python -m training.detector --minutes 60 --initial runs/detector-first/best.pt \\
        --pseudo-labels runs/detector-first/best.pt
    python -m training.detector --export-only

The second step uses the first step's model to label what is unlabelled (vehicles in the plate sets, plates in the
vehicle sets), and continues training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from detector.detections import Detections
from training.common import loop
from training.common.export import export
from training.common.onnx_session import Outputs
from training.detector.composer import Composer, Redrawn
from training.detector.loss import Targets, detection_loss
from training.detector.metrics import Tally, corner_errors, detect, known_in
from training.detector.model import LABELS, OUTPUTS, PLATE, Decoder, Detector, Predictions
from training.detector.plates import DrawnPlates
from training.detector.pseudo_labels import with_pseudo_labels
from training.detector.scenes import PLATES, VEHICLES, Floats, Scene, Scenes, load_scenes

SMALL_CANVASES: Final = ((256, 256), (256, 256), (320, 320), (224, 352), (352, 224))
LARGE_CANVASES: Final = ((384, 640), (640, 384), (480, 480), (320, 320), (320, 320))
LARGE_FROM: Final = 0.4
"""Share of the time budget after which large canvases are used too."""
VIEW: Final = 256 * 256
"""Size in pixels of a small view; `--batch` is counted in these."""

Batch = tuple[Tensor, Targets]


@dataclass(slots=True)
class DetectorTask:
    """The detector as a task of the training loop."""

    model: torch.nn.Module
    scenes: Scenes
    validation: Scenes
    redrawn: Redrawn | None
    pixels_a_batch: int
    """Pixels of all pictures of a step together, whatever their canvas."""

    def batches(self, progress: loop.Progress, random: np.random.Generator) -> Iterator[Batch]:
        composer = Composer(self.scenes, random, self.redrawn)
        while True:
            canvases = SMALL_CANVASES if progress.share < LARGE_FROM else SMALL_CANVASES + LARGE_CANVASES
            height, width = canvases[random.integers(len(canvases))]
            yield composer.batch(height, width, max(2, self.pixels_a_batch // (height * width)))

    def loss(self, model: torch.nn.Module, batch: Batch, device: torch.device) -> Tensor:
        images, targets = batch
        found: Predictions = model(images.to(device))
        with torch.autocast(device.type, enabled=False):
            return detection_loss(found, Targets(*(part.to(device) for part in targets)))

    def validate(self, model: torch.nn.Module, device: torch.device) -> Mapping[str, float]:
        assert isinstance(model, Detector)
        if not (self.validation.photos or self.validation.negatives or self.validation.close_ups):
            return {}
        return validate(model, self.validation, device)


def validate(model: Detector, scenes: Scenes, device: torch.device) -> dict[str, float]:
    """Figures at IoU 0.5 on whole photographs in the canvases that serving uses; `small`: shown half as large."""
    plates, small_plates, close_ups, vehicles, close_vehicles = (Tally() for _ in range(5))
    errors: list[float] = []
    right_class: list[bool] = []
    pictures = scenes.photos + scenes.negatives
    for index, found in detect(model, [scene.image for scene in pictures], device):
        scene = pictures[index]
        if known_in(scene, PLATES):
            errors += _count_plates(plates, found, scene)
        truth = scene.groups == VEHICLES
        if truth.any() or known_in(scene, VEHICLES):
            right_class += _count_vehicles(vehicles, found.vehicles, scene, smallest=24)
            _count_vehicles(close_vehicles, found.vehicles, scene, smallest=48)
    for index, found in detect(model, [scene.image for scene in scenes.close_ups], device):
        _count_plates(close_ups, found, scenes.close_ups[index])
    with_plates = [scene for scene in pictures if known_in(scene, PLATES)]
    for index, found in detect(model, [scene.image for scene in with_plates], device, shrink=2):
        _count_plates(small_plates, found, with_plates[index])
    plate_ap, small_ap, close_up_ap, vehicle_ap = (
        tally.average_precision() for tally in (plates, small_plates, close_ups, vehicles)
    )
    return {
        "score": 0.4 * plate_ap + 0.2 * small_ap + 0.1 * close_up_ap + 0.3 * vehicle_ap,
        "plate_ap": plate_ap,
        "plate_recall_20": plates.recall(0.2),
        "plate_precision_20": plates.precision(0.2),
        "plate_recall_40": plates.recall(0.4),
        "plate_precision_40": plates.precision(0.4),
        "small_plate_ap": small_ap,
        "small_plate_recall_20": small_plates.recall(0.2),
        "close_up_recall_20": close_ups.recall(0.2),
        "corner_error": float(np.mean(errors)) if errors else 1.0,
        "vehicle_ap": vehicle_ap,
        "vehicle_recall_20": close_vehicles.recall(0.2),
        "vehicle_precision_40": close_vehicles.precision(0.4),
        "vehicle_class": float(np.mean(right_class)) if right_class else 0.0,
    }


def export_detector(model: Detector, folder: Path) -> None:
    """Write `1/model.onnx` and `labels.txt` into a folder of the model repository."""
    export(
        Decoder(model),
        torch.zeros(2, 384, 640, 3, dtype=torch.uint8),
        folder / "1" / "model.onnx",
        "image",
        OUTPUTS,
        dynamic_axes={"image": {1: "height", 2: "width"}},
        check_shapes=[(1, 384, 640, 3), (3, 640, 384, 3), (2, 320, 320, 3)],
        tolerance=0.1,
        difference=ranked_difference,
    )
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")


def ranked_difference(expected: Outputs, actual: Outputs) -> float:
    """The largest difference of two lists of detections: pixels, or hundredths of score.

    Detections whose scores are equal within rounding may swap places or fall off the end of the list; all others must
    have a counterpart.
    """
    rows = [
        np.concatenate([np.atleast_3d(part).astype(np.float64) for part in side], axis=2) for side in (expected, actual)
    ]
    scale = np.array([1.0] * 4 + [100.0] + [1000.0] + [1.0] * 8)
    worst = 0.0
    for ours, theirs in zip(*rows, strict=True):
        ours, theirs = ours * scale, theirs * scale
        certain = ours[:, 4] > ours[-1, 4] + 0.01
        apart = np.abs(ours[certain, None] - theirs[None]).max(axis=2).min(axis=1, initial=np.inf)
        worst = max(worst, float(apart.max(initial=0.0)), float(np.abs(ours[:, 4] - theirs[:, 4]).max()))
    return worst


def detector_of(weights: Mapping[str, Tensor]) -> Detector:
    model = Detector()
    model.load_state_dict(weights)
    return model


def main() -> None:
    parser = loop.parser(__doc__, "detector", minutes=60, learning_rate=1.5e-3)
    parser.add_argument("--pseudo-labels", type=Path, metavar="CHECKPOINT", help="label the rest with this model")
    parser.add_argument(
        "--batch", type=int, default=8, help="small views per step, fewer large ones; small batches suit slow machines"
    )
    parser.add_argument("--drawn-plates", type=int, default=2500, help="drawn plates to paste into photographs")
    arguments = parser.parse_args()
    chosen = loop.options(arguments)
    if not chosen.export_only:
        device = loop.prepare(chosen)
        scenes = load_scenes(chosen.data, "train", chosen.exclude_sets)
        if arguments.pseudo_labels:
            scenes = with_pseudo_labels(scenes, detector_of(loop.blended([arguments.pseudo_labels])).to(device), device)
        validation = load_scenes(chosen.data, "val", chosen.exclude_sets)
        drawn = DrawnPlates.stock(arguments.drawn_plates, np.random.default_rng(chosen.seed))
        redrawn = drawn.over if arguments.drawn_plates else None
        task = DetectorTask(Detector(), scenes, validation, redrawn, arguments.batch * VIEW)
        loop.train(task, chosen, device)
    export_detector(detector_of(loop.trained(chosen)), chosen.model)


def _count_plates(tally: Tally, found: Detections, scene: Scene) -> list[float]:
    """Count a picture's plates; returns the corner errors of those found."""
    found = found.plates
    truth = scene.classes == PLATE
    matches = tally.add(found, scene.boxes[truth], _none(), complete=True)
    return corner_errors(found, matches, scene.corners[truth])


def _count_vehicles(tally: Tally, found: Detections, scene: Scene, smallest: float) -> list[bool]:
    """Count a picture's vehicles at least `smallest` pixels wide; returns whether those found have the right class."""
    truth = scene.groups == VEHICLES
    boxes, classes = scene.boxes[truth], scene.classes[truth]
    large = boxes[:, 2] - boxes[:, 0] >= smallest
    matches = tally.add(found, boxes[large], boxes[~large], complete=known_in(scene, VEHICLES))
    hit = matches >= 0
    actual = classes[large][matches[hit]]
    return [bool(a == b) for a, b in zip(actual, found.classes[hit], strict=True) if a < len(LABELS)]


def _none() -> Floats:
    return np.zeros((0, 4), np.float32)
