"""INT8 models for processors, stored beside the models for GPUs.

    python -m training.calibration.quantize detector reader attributes

writes `triton_models/<model>/1/model.int8.onnx` from `model.onnx`: static QDQ quantisation of the convolutions, with
per-channel INT8 weights and UINT8 activations (with signed ones, ONNX Runtime is slower on x86 than FP32). Some layers
stay FP32: the first convolution, which has three input channels and would become slower; the detector's last ones,
whose rounding would move boxes and corners by pixels; and everything after them. Activation ranges come from `train`
photographs cut as serving cuts them, and from crops of plates and vehicles. Without a GPU, `backends/onnxruntime`
serves the file, provided that it was made from the `model.onnx` beside it.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from detector import tiling
from detector.detections import PLATE
from platelane.vision.crops import Image, crop_vehicle, rectify_plate
from platelane.vision.geometry import Box
from training.calibration.narrow import narrow
from training.common import command
from training.common.errors import DataError
from training.common.onnx_session import Outputs, session
from training.data.dataset import DEFAULT_DATA, VEHICLE_LABELS, Row, Split, any_of, box, quadrilateral

SOURCE: Final = "source_sha256"
"""Metadata of a quantised file: the hash of the file that it was made from."""
PERCENTILE: Final = 99.99
"""Share of a tensor's values that its range covers. If it covers all, outliers make the steps coarse: 74 instead of
77 % of the plates of 250 validation photographs were then read exactly."""
_OPERATORS: Final = ("Conv", "Relu", "Add", "Concat", "MaxPool", "AveragePool", "Resize", "Slice")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is quantised."""

    quantised: str
    """Regular expression for the beginning of the names of nodes to quantise."""
    parts: tuple[str, ...]
    """Parts of the data that show what the model sees; missing ones are skipped."""
    views: Callable[[Image, Sequence[Row]], Iterator[Image]]
    """The model's inputs from a labelled picture, UINT8 (H, W, 3)."""
    agrees: Callable[[Outputs, Outputs], float]
    """Share of the first answer's findings that the second has too; NaN if it has none."""


def _tiles(image: Image, rows: Sequence[Row]) -> Iterator[Image]:
    large, small = tiling.whole(image)
    vehicles = [box(row) for row in rows if row["class"] in VEHICLE_LABELS]
    enlarged = tiling.closer(image, vehicles, large.fit.scale)[:1]
    taken = [large, small, *(view for views in enlarged for view in views)]
    yield from (view.canvas for view in taken)


def _plates(image: Image, rows: Sequence[Row]) -> Iterator[Image]:
    for row in rows:
        if row["class"] in ("", "plate"):
            yield rectify_plate(image, quadrilateral(row, image))


def _vehicles(image: Image, rows: Sequence[Row]) -> Iterator[Image]:
    """Crops of the part `vehicles` have no box, because the vehicle fills them."""
    whole = Box(0, 0, image.shape[1], image.shape[0])
    boxes = (box(row) if row["xmin"] else whole for row in rows if (row["class"] or "vehicle") in VEHICLE_LABELS)
    yield from (crop_vehicle(image, each) for each in boxes)


def _same_plates(expected: Outputs, actual: Outputs) -> float:
    """Share of certain plates that are found again, with each corner within a twentieth of the width."""
    boxes, scores, classes, found = (output[0] for output in expected)
    certain = (scores > 0.5) & (classes == PLATE)
    others = actual[3][0][(actual[1][0] > 0.4) & (actual[2][0] == PLATE)]
    if not certain.any():
        return float("nan")
    if not len(others):
        return 0.0
    apart = np.abs(found[certain][:, None] - others[None]).max(axis=2).min(axis=1)
    width = boxes[certain][:, 2] - boxes[certain][:, 0]
    return float(np.mean(apart < np.maximum(1.0, 0.05 * width)))


def _same_classes(expected: Outputs, actual: Outputs) -> float:
    pairs = zip(expected, actual, strict=True)
    return float(np.mean([np.array_equal(a.argmax(axis=-1), b.argmax(axis=-1)) for a, b in pairs]))


RECIPES: Final = {
    "detector": Recipe(
        r"/detector/(backbone/(?!stride4/stride4\.0/)|neck/|heads\.\d/(classes|shapes)\.0/)",
        ("photos",),
        _tiles,
        _same_plates,
    ),
    "reader": Recipe(r"/reader/features/(?!features\.0/)", ("photos", "plates"), _plates, _same_classes),
    "attributes": Recipe(r"/network/(fine|coarse)/", ("photos", "vehicles"), _vehicles, _same_classes),
}


def quantize(name: str, folder: Path, data: Path, count: int) -> None:
    """Write `model.int8.onnx` beside `model.onnx` in `folder`, and print how often the two agree.

    Raises:
        DataError: there is nothing to calibrate on.
    """
    recipe = RECIPES[name]
    views = list(islice(_views(recipe, data, "train"), count))
    if not views:
        raise DataError(f"{data} has no {' or '.join(recipe.parts)} in the split train to calibrate {name} on")
    source, target = write_quantised(name, folder, views)
    if (folder / "model.int7.onnx").exists():
        narrow(folder)
    compared = list(islice(_views(recipe, data, "val"), count))
    if compared:
        share = 100 * agreement(name, source, target, compared)
        print(f"{target}: agrees with {source.name} in {share:.1f} % on validation pictures")


def write_quantised(name: str, folder: Path, views: Sequence[Image]) -> tuple[Path, Path]:
    """Write `model.int8.onnx` beside `model.onnx` in `folder`, calibrated on views; returns both files."""
    source, target = folder / "model.onnx", folder / "model.int8.onnx"
    (tensor,) = onnx.load(source).graph.input
    progress = tqdm(total=len(views), desc=f"{name}, INT8", unit="view", dynamic_ncols=True, disable=None)
    # ONNX Runtime prints a line for every view
    with tempfile.TemporaryDirectory() as scratch, progress, redirect_stdout(io.StringIO()):
        prepared = Path(scratch, "prepared.onnx")
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        nodes = [node.name for node in onnx.load(prepared).graph.node if re.match(RECIPES[name].quantised, node.name)]
        quantize_static(
            prepared,
            target,
            _Calibration(views, tensor.name, progress),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_OPERATORS),
            nodes_to_quantize=nodes,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.Percentile,
            # there are many views of different sizes, so activations are collected one view at a time
            extra_options={"CalibPercentile": PERCENTILE, "CalibStridedMinMax": 1},
        )
    model = onnx.load(target)
    onnx.helper.set_model_props(model, {SOURCE: hashlib.sha256(source.read_bytes()).hexdigest()})
    onnx.save(model, target)
    return source, target


def agreement(name: str, source: Path, target: Path, views: Sequence[Image]) -> float:
    """How well the answers of two files agree on the views, 0 to 1."""
    sessions = [session(file) for file in (source, target)]
    (tensor,) = sessions[0].get_inputs()
    shares = []
    for view in views:
        expected, actual = (one.run(None, {tensor.name: view[None]}) for one in sessions)
        shares.append(RECIPES[name].agrees(expected, actual))
    return float(np.nanmean(shares))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Provides views in ranges, as ONNX Runtime requests them."""

    def __init__(self, views: Sequence[Image], tensor: str, progress: tqdm[Any]) -> None:
        self._views, self._tensor, self._progress = views, tensor, progress
        self._next, self._end = 0, len(views)

    def __len__(self) -> int:
        return len(self._views)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, Image] | None:
        if self._next >= self._end:
            return None
        self._next += 1
        self._progress.update()
        return {self._tensor: self._views[self._next - 1][None]}


def _views(recipe: Recipe, data: Path, split: Split) -> Iterator[Image]:
    """Views of pictures from all sets in turn, one part after another.

    Raises:
        DataError: none of the parts exists.
    """
    for part in any_of(data, *recipe.parts):
        rows = part.by_picture(split)
        for file, image in part.pictures(_spread(rows)):
            yield from recipe.views(image, [row for row in rows[file] if row["xmin"] or part.name != "photos"])


def _spread(rows: dict[str, list[Row]]) -> list[str]:
    sets: dict[str, list[str]] = {}
    for file, labels in rows.items():
        sets.setdefault(labels[0]["set"], []).append(file)
    random = np.random.default_rng(0)
    orders = [list(random.permutation(files)) for files in sets.values()]
    turns = max(map(len, orders), default=0)
    return [str(order[turn]) for turn in range(turns) for order in orders if turn < len(order)]


def main() -> None:
    parser = command.parser("training.calibration.quantize", __doc__)
    parser.add_argument("models", nargs="+", choices=RECIPES, help="the models to quantise")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder with the CSV and zip files")
    parser.add_argument("--views", type=int, default=500, help="views to calibrate on, and to compare on")
    parser.add_argument("--repository", type=Path, default=Path("triton_models"), help="the model repository")
    arguments = parser.parse_args()
    for name in arguments.models:
        quantize(name, arguments.repository / name / "1", arguments.data, arguments.views)


if __name__ == "__main__":
    command.run(main)
