"""A fixed piece of arithmetic. How long it takes allows comparing figures between machines and times."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

WHAT: Final = "sorting a million FP32 numbers in NumPy"
_NUMBERS: Final = np.random.default_rng(0).standard_normal(1_000_000, dtype=np.float32)


def milliseconds() -> float:
    """How long one run takes now."""
    start = time.perf_counter()
    np.sort(_NUMBERS)
    return (time.perf_counter() - start) * 1000
