from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from training.calibration.text_score_fit import Scored, calibration_error, cross_validated, fitted, table


def plates(count: int, confidence: float, share: float, name: str = "ours") -> list[Scored]:
    return [Scored(name, f"{name}{confidence}{i}", confidence, i < share * count) for i in range(count)]


def test_a_fit_says_how_many_are_right() -> None:
    found = fitted([*plates(400, 0.99, 0.95), *plates(100, 0.95, 0.75)])
    assert found.of(0.99) == pytest.approx(0.95, abs=0.01)
    assert found.of(0.95) == pytest.approx(0.75, abs=0.02)


def test_each_plate_is_judged_by_a_fit_on_others() -> None:
    known = [*plates(400, 0.99, 0.9), *plates(100, 0.95, 0.7, "theirs")]
    pairs = cross_validated(known)
    assert len(pairs) == len(known)
    assert calibration_error(pairs) < 0.05 < calibration_error([(plate, plate.confidence) for plate in known])
    assert np.mean([score for _, score in pairs]) == pytest.approx(0.86, abs=0.03)
    assert "| theirs | 100 |" in table(pairs)
