"""The four served models: what goes in, what comes out, and the labels of their classes.

Label files lie beside each model in `settings().model_repository`, one label a line, in the order of the model's
outputs; the specifications count them, so that a served model with other classes is noticed when a service starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from platelane.errors import CannotStart
from platelane.settings import settings

ANY: Final = -1
"""In a shape: of any size."""

PLATE_SHAPE: Final = (64, 160, 3)
VEHICLE_SHAPE: Final = (128, 160, 3)
"""As `platelane.crops` cuts them; it is not imported because services that only read crops do without OpenCV."""

DETECTIONS: Final = 128
"""Detections a picture, best first."""
FRAMES: Final = 80
"""Places of a plate at which the reader tells a character: two rows of 40."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output. `shape` has the batch first; `dtype` is Triton's name of the type, such as "UINT8"."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the code expects of a served model."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class MakeModel:
    """A model of car; years are 0 where not known."""

    make: str
    model: str
    first_year: int
    last_year: int


@dataclass(frozen=True, slots=True)
class AttributeLabels:
    """Labels of the attribute model's four outputs."""

    types: tuple[str, ...]
    colors: tuple[str, ...]
    orientations: tuple[str, ...]
    make_models: tuple[MakeModel, ...]


DETECTOR: Final = ModelSpec(
    "detector",
    inputs=(Tensor("image", "UINT8", (ANY, ANY, ANY, 3)),),
    outputs=(
        Tensor("boxes", "FP32", (ANY, DETECTIONS, 4)),
        Tensor("scores", "FP32", (ANY, DETECTIONS)),
        Tensor("classes", "INT64", (ANY, DETECTIONS)),
        Tensor("corners", "FP32", (ANY, DETECTIONS, 8)),
    ),
)

ALIGNER: Final = ModelSpec(
    "aligner",
    inputs=(Tensor("plate", "UINT8", (ANY, *PLATE_SHAPE)),),
    outputs=(Tensor("corners", "FP32", (ANY, 4, 2)),),
)

READER: ModelSpec
ATTRIBUTES: ModelSpec


def __getattr__(name: str) -> ModelSpec:
    """`READER` and `ATTRIBUTES`, on first use: their label files are not read by services that need neither."""
    if name == "READER":
        return _reader()
    if name == "ATTRIBUTES":
        return _attributes()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def characters() -> tuple[str, ...]:
    """What each of the reader's classes stands for; the first is the blank."""
    return _lines("reader", "characters")


@cache
def regions() -> tuple[str, ...]:
    """Region codes, such as "de" and "us-ca"."""
    return _lines("reader", "regions")


@cache
def attribute_labels() -> AttributeLabels:
    """Labels of the vehicles' type, color, orientation, make and model."""
    rows = [line.split("\t") for line in _lines("attributes", "make_model")]
    return AttributeLabels(
        types=_lines("attributes", "type"),
        colors=_lines("attributes", "color"),
        orientations=_lines("attributes", "orientation"),
        make_models=tuple(MakeModel(make, model, int(first or 0), int(last or 0)) for make, model, first, last in rows),
    )


@cache
def _reader() -> ModelSpec:
    return ModelSpec(
        "reader",
        inputs=(Tensor("plate", "UINT8", (ANY, *PLATE_SHAPE)),),
        outputs=(
            Tensor("characters", "FP32", (ANY, FRAMES, len(characters()))),
            Tensor("region", "FP32", (ANY, len(regions()))),
        ),
    )


@cache
def _attributes() -> ModelSpec:
    labels = attribute_labels()
    return ModelSpec(
        "attributes",
        inputs=(Tensor("vehicle", "UINT8", (ANY, *VEHICLE_SHAPE)),),
        outputs=(
            Tensor("type", "FP32", (ANY, len(labels.types))),
            Tensor("color", "FP32", (ANY, len(labels.colors))),
            Tensor("orientation", "FP32", (ANY, len(labels.orientations))),
            Tensor("make_model", "FP32", (ANY, len(labels.make_models))),
        ),
    )


def _lines(model: str, name: str) -> tuple[str, ...]:
    path = settings().model_repository / model / f"{name}.txt"
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except OSError as error:
        raise CannotStart(
            f"{path}: {error.strerror}. PLATELANE_MODEL_REPOSITORY names the folder of the models' label files."
        ) from error
