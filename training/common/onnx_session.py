"""Exported models in ONNX Runtime, for programs that need no server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Outputs = Sequence[np.ndarray[Any, Any]]
"""What a model says, in the order of its file."""


def session(path: Path) -> onnxruntime.InferenceSession:
    """The model of an ONNX file, on one thread of the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
