"""What a plate's score means: the two figures of `detector.calibration`, fitted to validation photographs.

    python -m training.score_fit [--data ../shared/data]

sends the photographs through the REST API of a running system with a low `threshold_d`, and prints the slope and the
offset that make of each find's score the share of such finds that are plates (Platt 1999). They are put into
`detector/calibration.py` by hand, after a new detector.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import stack
from detector.calibration import uncalibrated
from training.data import DEFAULT_DATA, Part
from training.evaluation import api, figures

LOW: Final = 0.02
"""`threshold_d` of the photographs that are measured: what lies above the default alone would tell too little."""
STEPS: Final = 50


def platt(scored: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Slope and offset of the logistic regression of whether it is a plate on the logit of the score (Newton)."""
    scores = np.clip(np.array([score for score, _ in scored], np.float64), 1e-6, 1 - 1e-6)
    right = np.array([hit for _, hit in scored], np.float64)
    inputs = np.stack([np.log(scores / (1 - scores)), np.ones_like(scores)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(STEPS):
        predicted = 1 / (1 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        curvature = (inputs * (predicted * (1 - predicted))[:, None]).T @ inputs
        weights = weights - np.linalg.solve(curvature + 1e-3 * np.eye(2), inputs.T @ (predicted - right))
    return float(weights[0]), float(weights[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    arguments = parser.parse_args()
    with stack.running() as state:
        photos, _ = api.matched_photos(state.url, Part(arguments.data, "photos"), "val", threshold_d=LOW)
    scored = [(uncalibrated(dscore), hit) for dscore, hit in figures.plate_scores(photos)]
    slope, offset = platt(scored)
    print(
        f"{len(scored)} finds, {sum(hit for _, hit in scored)} of them plates: SLOPE {slope:.2f}, OFFSET {offset:.2f}"
    )


if __name__ == "__main__":
    main()
