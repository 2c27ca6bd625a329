"""INT8 models for x86 processors without VNNI: those of `training.calibration.quantize` with weights of 7 bits.

    python -m training.calibration.narrow detector

writes `triton_models/<model>/1/model.int7.onnx` from `model.onnx` and the `model.int8.onnx` beside it, without any
pictures. AVX2 multiplies UINT8 by INT8 in pairs and adds the two products in 16 bits, which saturates. Weights from -64
to 63 stay below that (2 x 255 x 64 = 32,640), so every sum is exact. Activations keep their steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.common import command
from training.common.errors import DataError

LOWEST: Final = -64
HIGHEST: Final = 63
_QUANTISED: Final = "_quantized"
"""The suffix that the quantiser adds to the name of a weight."""


def narrow(folder: Path) -> Path:
    """Write `model.int7.onnx` beside `model.onnx` and `model.int8.onnx` in `folder`.

    Raises:
        DataError: `model.int8.onnx` was not made from `model.onnx`.
    """
    source, wide, target = (folder / f"model{kind}.onnx" for kind in ("", ".int8", ".int7"))
    originals = {tensor.name: tensor for tensor in onnx.load(source).graph.initializer}
    model = onnx.load(wide)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for weights, bias in _convolutions(model.graph):
        name, old = weights.input[0], numpy_helper.to_array(tensors[weights.input[1]])
        original = originals.get(name.removesuffix(_QUANTISED))
        if original is None:
            raise DataError(f"{wide} has weights {name}, which {source} does not have: quantise it again")
        values, steps = narrowed(numpy_helper.to_array(original), old)
        _put(tensors, name, values)
        _put(tensors, weights.input[1], steps)
        if bias is not None:  # its step is that of the activation times that of the weight
            amounts, before = (numpy_helper.to_array(tensors[each]) for each in bias.input[:2])
            after = (before.astype(np.float64) * steps / old).astype(np.float32)
            _put(tensors, bias.input[0], np.rint(amounts * before.astype(np.float64) / after).astype(np.int32))
            _put(tensors, bias.input[1], after)
    onnx.save(model, target)
    return target


def narrowed(weights: NDArray[np.float32], steps: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """FP32 weights, output channels first, as 7 bits with a step per channel; `steps` is used for channels of zeros."""
    rows = weights.reshape(len(weights), -1).astype(np.float64)
    reach = np.maximum(rows.max(axis=1) / HIGHEST, rows.min(axis=1) / LOWEST)
    new = np.where(reach > 0, reach, steps).astype(np.float32)
    values = np.clip(np.rint(rows / new[:, None]), LOWEST, HIGHEST).astype(np.int8)
    return values.reshape(weights.shape), new


def _convolutions(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto | None]]:
    """The nodes that dequantise the weights and the bias of each quantised convolution."""
    made = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in made:
            yield made[node.input[1]], made.get(node.input[2]) if len(node.input) > 2 else None


def _put(tensors: dict[str, onnx.TensorProto], name: str, values: NDArray[Any]) -> None:
    tensors[name].CopyFrom(numpy_helper.from_array(values, name))


def main() -> None:
    parser = command.parser("training.calibration.narrow", __doc__)
    parser.add_argument("models", nargs="+", help="the models to narrow")
    parser.add_argument("--repository", type=Path, default=Path("triton_models"), help="the model repository")
    arguments = parser.parse_args()
    for name in arguments.models:
        print(narrow(arguments.repository / name / "1"))


if __name__ == "__main__":
    command.run(main)
