"""Fits the detector's calibration and the formula of `dscore`, and writes them beside the models.

    python -m training.calibration.score_fit [--data ../shared/data]

starts a system (run `make install` once before), sends the validation photographs through its REST API with a low
`threshold_d`, and fits a function from a detection's score to the share of such detections that are plates (Platt
1999): first from the detection alone, then together with the reading. Run it after training a new detector or reader.
It writes `detector/calibration.json` and `reader/dscore.json` of the model repository.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import stack
from detector.calibration import Calibration, PlattScaling
from platelane.dscore import Dscore
from platelane.pb.v1 import domain_pb2
from platelane.plausibility import doubt
from platelane.resources import MODELS
from platelane.vision.model_specs import ModelRepository
from training.common import command
from training.data.dataset import DEFAULT_DATA, measurable
from training.evaluation import api, figures
from training.evaluation.matching import FoundPlate

LOW: Final = 0.002
"""`threshold_d` for measuring: detections above the default alone would be too few to fit to."""
STEPS: Final = 50
RIDGE: Final = 1e-3
"""Regularisation, which keeps the weights finite if the outcomes are perfectly separable."""


def regression(inputs: NDArray[np.float64], right: Sequence[bool]) -> NDArray[np.float64]:
    """Logistic regression (Newton): the weight of each column of `inputs` (N, K), and of 1, shape (K + 1,)."""
    hits = np.array(right, np.float64)
    columns = np.column_stack([inputs, np.ones(len(hits))])
    weights = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        predicted = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        curvature = (columns * (predicted * (1 - predicted))[:, None]).T @ columns
        slope = columns.T @ (predicted - hits) + RIDGE * weights
        weights = weights - np.linalg.solve(curvature + RIDGE * np.eye(len(weights)), slope)
    return weights


def logit(probabilities: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float64]:
    """Logits of values clipped to at least a thousandth from 0 and 1, the resolution of the answers."""
    inside = np.clip(np.asarray(probabilities, np.float64), 1e-3, 1 - 1e-3)
    return np.asarray(np.log(inside / (1 - inside)))


def _doubted(found: FoundPlate) -> bool:
    regions = zip(found.regions, found.region_scores, strict=True)
    plate = domain_pb2.Plate(
        text=found.texts[0], regions=[domain_pb2.Scored(value=code, score=score) for code, score in regions]
    )
    return doubt(plate, found.vehicle is not None) > 0


def main() -> None:
    parser = command.parser("training.calibration.score_fit", __doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument(
        "--models", type=Path, default=MODELS, help="the model repository that is served and written to"
    )
    arguments = parser.parse_args()
    part = measurable(arguments.data, "photos")
    models = ModelRepository(arguments.models)
    served = Calibration.of(models)
    with stack.running("--models", str(arguments.models)) as state:
        photos, _ = api.matched_photos(state.url, part, "val", threshold_d=LOW)
    # evidence against a text lowers the odds afterwards
    finds = [(found, hit) for found, hit in figures.plate_finds(photos) if not _doubted(found)]
    right = [hit for _, hit in finds]
    scores = [
        served.detection.uncalibrated(served.dscore.without_reading(found.dscore, found.score)) for found, _ in finds
    ]
    slope, offset = regression(logit(scores)[:, None], right)
    print(f"{len(finds)} detections, {sum(right)} of them plates")
    scaling = PlattScaling(round(float(slope), 2), round(float(offset), 2))
    detections = scaling.calibrated(np.asarray(scores, np.float32))
    texts = np.array([found.score for found, _ in finds])
    detection, reading, constant = regression(np.column_stack([logit(detections), texts]), right)
    dscore = Dscore(*(round(float(weight), 2) for weight in (detection, reading, constant)))
    for file, fitted in ((models.calibration_file, scaling), (models.dscore_file, dscore)):
        file.write_text(json.dumps(asdict(fitted), indent=2) + "\n", encoding="utf-8")
        print(f"{file}: {fitted}")


if __name__ == "__main__":
    command.run(main)
