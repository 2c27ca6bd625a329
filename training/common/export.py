"""Exports a trained PyTorch model to an ONNX file, and checks that both give the same answers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from training.common.errors import DataError
from training.common.onnx_session import Outputs, session

OPSET = 17
"""Supported by ONNX Runtime and TensorRT in every Triton release that Platelane supports."""

Difference = Callable[[Outputs, Outputs], float]
"""The distance between the outputs of PyTorch (first) and the file (second); 0 if they are equal."""


class ParityError(RuntimeError):
    """The exported file and the model give different answers."""

    def __init__(self, path: Path, shape: tuple[int, ...], difference: float, tolerance: float) -> None:
        super().__init__(f"{path}: outputs differ by {difference:.3g} (allowed {tolerance:.3g}) for input {shape}")


def size_output(config: Path, output: str, size: int) -> None:
    """Change the number of classes of one output in a `config.pbtxt`, if the file exists.

    Raises:
        DataError: the size is not written as in Platelane's own files.
    """
    if not config.exists():
        return
    text = config.read_text(encoding="utf-8")
    pattern = rf'(output \{{ name: "{output}" [^}}]*dims: \[ )(\d+)( \])'
    changed, count = re.subn(pattern, rf"\g<1>{size}\g<3>", text)
    if count != 1:
        raise DataError(f"{config} does not give the size of `{output}` in the form of Platelane's own files")
    if changed != text:
        config.write_text(changed, encoding="utf-8")


def largest_difference(expected: Outputs, actual: Outputs) -> float:
    """The largest absolute difference of any element; infinite if shapes differ."""
    if any(a.shape != b.shape for a, b in zip(expected, actual, strict=True)):
        return float("inf")
    return max(
        float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))
        for a, b in zip(expected, actual, strict=True)
    )


def export(
    model: torch.nn.Module,
    example: torch.Tensor,
    path: Path,
    input_name: str,
    output_names: Sequence[str],
    *,
    dynamic_axes: Mapping[str, Mapping[int, str]] | None = None,
    check_shapes: Sequence[tuple[int, ...]] = (),
    tolerance: float = 1e-3,
    difference: Difference = largest_difference,
) -> None:
    """Write `model` to `path` and compare the two on random UINT8 pictures.

    `example` is a UINT8 tensor, batch first. Axis 0 of the input and of every output is dynamic; `dynamic_axes` names
    further ones by tensor. `check_shapes` lists the input shapes to compare; by default the example's, with one and
    three pictures. Raises `ParityError` if the outputs differ by more than `tolerance`; the file is then removed.
    """
    model = model.cpu().float().eval()
    axes = {name: {0: "batch"} for name in (input_name, *output_names)}
    for name, extra in (dynamic_axes or {}).items():
        axes[name] |= extra
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but writes the smaller graph, and one that TensorRT optimises well.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example,),
            str(path),
            input_names=[input_name],
            output_names=list(output_names),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    _state_sizes(model, example, path, axes)
    onnx.checker.check_model(str(path), full_check=True)
    try:
        for shape in check_shapes or [(batch, *example.shape[1:]) for batch in (1, 3)]:
            _check_parity(model, path, input_name, shape, tolerance, difference)
    except ParityError:
        path.unlink()
        raise


def _state_sizes(
    model: torch.nn.Module, example: torch.Tensor, path: Path, axes: Mapping[str, Mapping[int, str]]
) -> None:
    """Write the sizes of the outputs' fixed axes, which the exporter leaves open: Triton compares them."""
    with torch.no_grad():
        shapes = [output.shape for output in _as_tuple(model(example))]
    graph = onnx.load(path)
    for output, shape in zip(graph.graph.output, shapes, strict=True):
        for axis, (dimension, size) in enumerate(zip(output.type.tensor_type.shape.dim, shape, strict=True)):
            if axis not in axes[output.name]:
                dimension.dim_value = size
    onnx.save(graph, path)


def _as_tuple(outputs: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (outputs,) if isinstance(outputs, torch.Tensor) else outputs


def _check_parity(
    model: torch.nn.Module,
    path: Path,
    input_name: str,
    shape: tuple[int, ...],
    tolerance: float,
    difference: Difference,
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with torch.no_grad():
        expected = [output.numpy() for output in _as_tuple(model(torch.from_numpy(picture)))]
    apart = difference(expected, session(path).run(None, {input_name: picture}))
    if not apart <= tolerance:
        raise ParityError(path, shape, apart, tolerance)
