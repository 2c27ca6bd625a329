"""ONNX Runtime on the processor, for a Triton server that has no compiled `onnxruntime` backend.

Triton runs this file wherever a `config.pbtxt` says `backend: "onnxruntime"` and finds it in the folder of backends in
place of a shared library, so that one model repository serves hosts with and without a GPU. Of a model's `parameters`,
`intra_op_thread_count` is understood, as by the compiled backend; `cpu_model_filename` and `avx2_model_filename` name
INT8 files for processors alone, with VNNI and without (`training.calibration` writes them). Accelerators are for GPUs
and left out of account.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

TYPES = {
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)",
    "TYPE_FP32": "tensor(float)",
}
"""ONNX Runtime's names of the types, by Triton's."""

VNNI = frozenset({"avx512_vnni", "avx_vnni"})
"""Flags of processors that multiply INT8 fast, with any weights."""

AVX2 = "avx2"
"""Flag of those that add two products of UINT8 and INT8 in 16 bits, which saturates unless the weights have 7 bits."""


class TritonPythonModel:
    """An instance of a model; Triton runs each in a process of its own and calls these methods."""

    def initialize(self, args: dict[str, str]) -> None:
        if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
            raise pb_utils.TritonModelException(
                f"numpy {np.__version__}: Triton's Python backend needs numpy 1, with 2 it corrupts tensors"
            )
        try:
            self._load(args)
        except Exception as error:  # without its traceback, whose paths may have characters that kill Triton's stub
            raise pb_utils.TritonModelException(str(error)) from None
        self.guard = Guard()

    def _load(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"], args["model_version"], config["default_model_filename"] or "model.onnx")
        self.session = quantised(path, config) or session(path, config)
        batched = config["max_batch_size"] > 0
        problems = [
            *differences(config["input"], self.session.get_inputs(), batched),
            *differences(config["output"], self.session.get_outputs(), batched),
        ]
        if problems:
            raise pb_utils.TritonModelException(f"{path} is not as configured: {'; '.join(problems)}")
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]

    def finalize(self) -> None:
        self.guard.release()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One run for all requests: Triton's dynamic batcher brings together only those that agree in their shapes."""
        try:
            batches = [self._arrays(request) for request in requests]
            joined = [np.concatenate(arrays) for arrays in zip(*batches, strict=True)] if batches[1:] else batches[0]
            results = self.session.run(self.outputs, dict(zip(self.inputs, joined, strict=True)))
        except Exception as error:  # any error must reach each caller
            failure = pb_utils.TritonError(f"{type(error).__name__}: {error}")
            return [pb_utils.InferenceResponse(error=failure) for _ in requests]
        ends = np.cumsum([len(batch[0]) for batch in batches])[:-1]
        shares = zip(*(np.split(result, ends) for result in results), strict=True)
        return [self._response(share) for share in shares]

    def _arrays(self, request: Any) -> list[NDArray[Any]]:
        """Views of the request's tensors in shared memory, in the order of `self.inputs`."""
        return [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs]

    def _response(self, arrays: Sequence[NDArray[Any]]) -> Any:
        tensors = [pb_utils.Tensor(name, array) for name, array in zip(self.outputs, arrays, strict=True)]
        return pb_utils.InferenceResponse(tensors)


class Guard:
    """Ends the server when this process dies, so that the server is restarted by its supervisor.

    Triton itself would report for ever that it is ready, and fail every request for the model. A shell waits until its
    input ends; a line of input means that the model was unloaded in good order.
    """

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", f"read line || kill -KILL {os.getppid()}"], stdin=subprocess.PIPE
        )

    def release(self) -> None:
        self._shell.communicate(b"unloaded\n")


def quantised(path: Path, config: dict[str, Any]) -> onnxruntime.InferenceSession | None:
    """The model of `path` quantised, where this processor is made for it; a file of another model is not used."""
    flags = set(Path("/proc/cpuinfo").read_text().split())
    key = "cpu_model_filename" if flags & VNNI else "avx2_model_filename" if AVX2 in flags else ""
    name = config["parameters"].get(key, {"string_value": ""})["string_value"]
    file = path.parent / name
    if not name:
        return None
    if not file.is_file():
        pb_utils.Logger.log_warn(f"{file} is missing, so {path.name} is used, which is slower and answers otherwise")
        return None
    found = session(file, config)
    source = found.get_modelmeta().custom_metadata_map.get("source_sha256")
    if source != hashlib.sha256(path.read_bytes()).hexdigest():
        pb_utils.Logger.log_warn(
            f"{file} was not made from the {path.name} beside it, which is used: training.calibration.quantize"
        )
        return None
    return found


def session(path: Path, config: dict[str, Any]) -> onnxruntime.InferenceSession:
    """As many threads as configured, which do not spin: models, server and services share the processor.

    Memory is not laid out ahead by input shape: sizes of pictures and batches vary, and each would keep its own.
    """
    options = onnxruntime.SessionOptions()
    parameter = config["parameters"].get("intra_op_thread_count", {"string_value": "1"})
    options.intra_op_num_threads = int(parameter["string_value"])
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def differences(configured: list[dict[str, Any]], found: Sequence[Any], batched: bool) -> list[str]:
    """What in a model file is not as configured; sizes that the file leaves open may be configured at will."""
    in_file = {tensor.name: tensor for tensor in found}
    problems = []
    for tensor in configured:
        name, dtype = tensor["name"], TYPES.get(tensor["data_type"])
        shape = [-1] * batched + [int(size) for size in tensor["dims"]]
        other = in_file.get(name)
        if other is None:
            problems.append(f"it has no {name}")
        elif (other.type, len(other.shape)) != (dtype, len(shape)) or any(
            isinstance(theirs, int) and theirs != ours for theirs, ours in zip(other.shape, shape, strict=True)
        ):
            problems.append(f"{name} is {other.type} {other.shape}, configured {dtype} {shape}")
    return problems
