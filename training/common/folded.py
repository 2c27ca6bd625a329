"""Networks with batch normalisation folded into convolutions, as in exported files, and the weights of such files.

At inference, batch normalisation is part of the convolution before it. A network that is trained further in this form
keeps the statistics of its original data, whatever it sees now, and can start from the very file that is served.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.common.errors import CheckpointError
from training.common.onnx_session import session

Weights = dict[str, Tensor]
"""A state dictionary."""

_TOLERANCE: Final = 1e-3


def folded(model: nn.Module) -> nn.Module:
    """`model` itself, with each batch normalisation folded into the convolution before it."""
    for parent in list(model.modules()):
        for (name, convolution), (after, normal) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(normal, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(convolution.eval(), normal.eval()))
                setattr(parent, after, nn.Identity())
    return model


def weights_of(path: Path, model: nn.Module, prefix: str) -> Weights:
    """The weights of a folded `model` from the file that `training.common.export` wrote.

    `prefix`: the name of the model within the exported module.

    Raises:
        CheckpointError: the file holds another network.
    """
    graph = onnx.load(path).graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    found = {name.removeprefix(f"{prefix}."): value for name, value in values.items() if name.startswith(f"{prefix}.")}
    for node in graph.node:
        constants = [values[name] for name in node.input if name in values]
        module = _module(node.name).removeprefix(f"{prefix}.")
        if node.op_type in ("Conv", "Gemm", "LayerNormalization"):
            found |= dict(zip((f"{module}.weight", f"{module}.bias"), constants, strict=False))
        elif node.op_type == "MatMul" and constants:
            found[f"{module}.weight"] = constants[0].T
        elif node.op_type == "Add" and constants and constants[0].ndim == 1:
            found[f"{module}.bias"] = constants[0]
    state = model.state_dict()
    wrong = [name for name, value in state.items() if name not in found or found[name].shape != tuple(value.shape)]
    if wrong:
        raise CheckpointError(f"{path} holds another network than training/ has: {wrong[0]} is not what it should be")
    return {name: torch.from_numpy(np.array(found[name], dtype=np.float32)) for name in state}


def _module(node: str) -> str:
    """`reader.features.0.0` of the node `/reader/features/features.0/features.0.0/Conv`."""
    path: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path)


def softening(path: Path) -> dict[str, tuple[float, tuple[float, ...]]]:
    """For each output of an exported file: the temperature that divides its logits, and the offsets added to them.

    Offsets are empty if the file adds none. Raises CheckpointError if an output is not a softmax with a temperature.
    """
    graph = onnx.load(path).graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    values |= {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node if node.op_type == "Constant"
    }
    made_by = {output: node for node in graph.node for output in node.output}
    found: dict[str, tuple[float, tuple[float, ...]]] = {}
    for output in graph.output:
        offsets: tuple[float, ...] = ()
        node = made_by[output.name]
        if node.op_type == "Softmax":
            node = made_by[node.input[0]]
        if node.op_type == "Add":
            offsets = tuple(values[node.input[1]].ravel().tolist())
            node = made_by[node.input[0]]
        if node.op_type != "Div" or node.input[1] not in values:
            raise CheckpointError(f"{path} does not calibrate {output.name} as training/ does")
        found[output.name] = (float(values[node.input[1]]), offsets)
    return found


def verified(model: nn.Module, path: Path, example: Tensor) -> None:
    """Raises CheckpointError if `model` and the file with its weights give different answers."""
    picture = torch.randint(0, 256, example.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    served = session(path)
    with torch.no_grad():
        answers = model.eval()(picture)
    for ours, theirs in zip(answers, served.run(None, {served.get_inputs()[0].name: picture.numpy()}), strict=True):
        if not np.abs(ours.numpy() - theirs).max() < _TOLERANCE:
            raise CheckpointError(f"{path} gives other answers than its weights in training/")
