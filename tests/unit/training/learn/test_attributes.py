from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from training.learn.attributes import ServedAnswers


def test_an_answer_is_sure_if_it_is_so_in_full_precision_too() -> None:
    served = np.array([[0.9, 0.1], [0.9, 0.1], [0.7, 0.3], [0.59, 0.41], [0.1, 0.9]], dtype=np.float32)
    exact = np.array([[0.8, 0.2], [0.1, 0.9], [0.59, 0.41], [0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
    assert ServedAnswers({"type": served}, {"type": exact}).sure("type").tolist() == [0, -1, -1, -1, 1]
