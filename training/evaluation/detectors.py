"""Compare detectors on the photographs of the validation split, searched as the service searches them.

    python -m training.evaluation.detectors --detector before=training/checkpoints/detector.pt \\
        --detector mixed=training/checkpoints/detector.pt+runs/detector/last.pt

prints average precision, and recall and precision at the served thresholds, for plates and for vehicles over 48 px, of
all photographs and of each completely labelled set. FP32, without the aligner and the reader.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import results
from detector.calibration import Calibration
from detector.detections import PLATE, Detections
from detector.search import Found, search
from platelane.pb.v1 import domain_pb2
from platelane.reporting import THRESHOLD_DETECTION
from platelane.resources import MODELS
from platelane.vision.model_specs import ModelRepository
from training.common import command
from training.data.dataset import DEFAULT_DATA, DataPart
from training.detector.metrics import Tally, known_in
from training.detector.model import OUTPUTS, Decoder, Detector
from training.detector.scenes import PLATES, VEHICLES, Floats, Scene, labelled_scene
from training.evaluation.mixture import Mixture

PARTS: Final = ("photos", "photos_more")
SMALLEST: Final = 48.0
"""Vehicles whose longer side has fewer pixels do not count."""
NO_DEADLINE: Final = math.inf


def scenes(data: Path) -> list[tuple[str, Scene]]:
    """The labelled photographs with the names of their sets."""
    found = []
    for name in PARTS:
        part = DataPart(data, name, optional=True)
        rows = part.by_picture("val")
        found += [(rows[file][0]["set"], labelled_scene(image, rows[file])) for file, image in part.pictures(rows)]
    return found


def searched(model: Detector, images: Sequence[NDArray[np.uint8]], calibration: Calibration) -> list[Found]:
    """What the service finds with this detector, including plates of any score."""
    decoder = Decoder(model).eval()

    async def detect(canvases: NDArray[np.uint8]) -> list[Detections]:
        with torch.inference_mode():
            outputs: dict[str, NDArray[Any]] = {
                name: output.numpy() for name, output in zip(OUTPUTS, decoder(torch.from_numpy(canvases)), strict=True)
            }
        return Detections.of_outputs(outputs)

    options = domain_pb2.Options(threshold_detection=0.0, explicit_thresholds=True)
    return [
        asyncio.run(search(detect, image, options, calibration, NO_DEADLINE))
        for image in tqdm(images, "searching", unit="photo", dynamic_ncols=True)
    ]


def tallies(pictures: Sequence[tuple[str, Scene]], found: Sequence[Found]) -> dict[str, tuple[Tally, float]]:
    """True and false detections by kind and set, with the threshold at which the service reports the kind."""
    result: dict[str, tuple[Tally, float]] = {}

    def count(
        kind: str, set_name: str, objects: Detections, truth: Floats, ignored: Floats, least: float, complete: bool
    ) -> None:
        for name in (kind, f"{kind}, {set_name}") if complete else (kind,):
            tally, _ = result.setdefault(name, (Tally(), least))
            tally.add(objects, truth, ignored, complete)

    for (set_name, scene), one in zip(pictures, found, strict=True):
        plates = _detections([(plate.box, plate.score) for plate in one.plates], PLATE)
        vehicles = _detections([(vehicle.box, vehicle.score) for vehicle in one.vehicles], PLATE + 1)
        none = np.zeros((0, 4), np.float32)
        count(
            "plates", set_name, plates, scene.boxes[scene.classes == PLATE], none, THRESHOLD_DETECTION,
            known_in(scene, PLATES),
        )  # fmt: skip
        boxes = scene.boxes[scene.groups == VEHICLES]
        large = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= SMALLEST
        size = np.maximum(vehicles.boxes[:, 2] - vehicles.boxes[:, 0], vehicles.boxes[:, 3] - vehicles.boxes[:, 1])
        count(
            "vehicles", set_name, vehicles[size >= SMALLEST], boxes[large], boxes[~large], 0.0,
            known_in(scene, VEHICLES),
        )  # fmt: skip
    return result


def table(found: Mapping[str, Mapping[str, tuple[Tally, float]]]) -> str:
    """One row per kind and set: the number of objects, and for each detector AP, recall and precision."""
    rows = []
    for name in sorted(next(iter(found.values()))):
        each = [tallied[name] for tallied in found.values()]
        if each[0][0].objects:
            shown = [
                ", ".join(
                    f"{100 * share:.1f}"
                    for share in (tally.average_precision(), tally.recall(least), tally.precision(least))
                )
                for tally, least in each
            ]
            rows.append([name, str(each[0][0].objects), *shown])
    return results.table(["AP, recall, precision, %", "objects", *found], rows)


def main() -> None:
    parser = command.parser("training.evaluation.detectors", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--detector", type=Mixture.parse, action="append", required=True, help="NAME=PARTS*FILE+…")
    parser.add_argument("--every", type=int, default=1, help="use only one photograph in N, to be quicker")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    calibration = Calibration.of(ModelRepository(MODELS))
    pictures = scenes(arguments.data)[:: arguments.every]
    found = {}
    for mixture in arguments.detector:
        model = Detector()
        model.load_state_dict(mixture.weights())
        found[mixture.name] = tallies(pictures, searched(model, [scene.image for _, scene in pictures], calibration))
    print(table(found))


def _detections(found: Sequence[tuple[Any, float]], kind: int) -> Detections:
    boxes = np.array([[box.xmin, box.ymin, box.xmax, box.ymax] for box, _ in found], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in found], np.float32)
    return Detections(boxes, scores, np.full(len(found), kind, np.int64), np.zeros((len(found), 4, 2), np.float32))


if __name__ == "__main__":
    command.run(main)
