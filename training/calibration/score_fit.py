"""What a plate's `dscore` means: the figures of `detector.calibration` and `platelane.plate_score`.

    python -m training.score_fit [--data ../shared/data]

sends the validation photographs through the REST API of a running system with a low `threshold_d`, and prints the
figures that make of each find's score the share of such finds that are plates (Platt 1999): first by its looks alone,
then with its reading. They are put into these modules by hand, after a new detector or reader.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import stack
from detector.calibration import uncalibrated
from platelane.plate_score import without_reading
from training.data import DEFAULT_DATA, Part
from training.evaluation import api, figures

LOW: Final = 0.002
"""`threshold_d` of the photographs that are measured: what lies above the default alone would tell too little."""
STEPS: Final = 50
RIDGE: Final = 1e-3
"""Keeps the weights finite where the outcomes can be told apart without error."""


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
    """Of values at a distance of at least a thousandth from 0 and 1, which is as exact as the answers are."""
    inside = np.clip(np.asarray(probabilities, np.float64), 1e-3, 1 - 1e-3)
    return np.asarray(np.log(inside / (1 - inside)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    arguments = parser.parse_args()
    with stack.running() as state:
        photos, _ = api.matched_photos(state.url, Part(arguments.data, "photos"), "val", threshold_d=LOW)
    finds = list(figures.plate_finds(photos))
    right = [hit for _, hit in finds]
    scores = [uncalibrated(without_reading(found.dscore, found.score)) for found, _ in finds]
    slope, offset = regression(logit(scores)[:, None], right)
    print(f"{len(finds)} finds, {sum(right)} of them plates")
    print(f"detector/calibration.py: SLOPE {slope:.2f}, OFFSET {offset:.2f}")
    looks = 1 / (1 + np.exp(-(slope * logit(scores) + offset)))
    texts = np.array([found.score for found, _ in finds])
    detection, reading, constant = regression(np.column_stack([logit(looks), texts]), right)
    print(f"platelane/plate_score.py: DETECTION {detection:.2f}, READING {reading:.2f}, OFFSET {constant:.2f}")


if __name__ == "__main__":
    main()
