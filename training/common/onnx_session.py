"""Runs exported models in ONNX Runtime, for programs without a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Outputs = Sequence[np.ndarray[Any, Any]]
"""A model's outputs, in the order of its file."""


def session(path: Path) -> onnxruntime.InferenceSession:
    """A session for an ONNX file, on one thread of the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
