from __future__ import annotations

import numpy as np
import pytest

from samples.render.solids import box, point, polygon, union


def test_distances_are_negative_inside_and_exact_outside() -> None:
    square = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))
    u, v = np.array([1.0, 5.0, -3.0], np.float32), np.array([1.0, 1.0, -4.0], np.float32)
    assert polygon(u, v, square).tolist() == pytest.approx([-1, 3, 5])
    assert float(box(point(0, 3, 0), (0, 0, 0), (1, 1, 1))) == pytest.approx(2)
    near, far = np.array([0.1], np.float32), np.array([5.0], np.float32)
    assert union(near, far, 0.05)[0] == pytest.approx(0.1)
    assert union(near, near, 0.05)[0] < 0.1
