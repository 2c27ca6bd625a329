"""The four served models: their inputs, outputs and labels, and the figures fitted to them.

Labels and fitted figures are files beside each model in the model repository. Label files have one label a line, in the
order of the model's outputs. The specifications count them, so a service notices at its start if a served model has
other classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from platelane import validation
from platelane.dscore import Dscore
from platelane.errors import CannotStart
from platelane.text_score import TextScore

T = TypeVar("T")

ANY: Final = -1
"""Any size, in a shape."""

PLATE_SHAPE: Final = (64, 160, 3)
VEHICLE_SHAPE: Final = (128, 160, 3)
"""The shapes of the crops that `platelane.vision.crops` cuts; defined here, so that services which only read crops do
not load OpenCV."""

DETECTIONS: Final = 128
"""Detections a picture, best first."""
FRAMES: Final = 80
"""Positions of a plate at which the reader predicts a character: two rows of 40."""


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
    """A vehicle model; years are 0 if unknown."""

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


class ModelRepository:
    """The folder of the served models. Files are read when first needed, because no service needs all of them.

    Raises CannotStart if a file is missing or invalid.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def characters(self) -> tuple[str, ...]:
        """The character of each of the reader's classes; the first is the blank."""
        return self._lines("reader", "characters")

    @cached_property
    def regions(self) -> tuple[str, ...]:
        """Region codes, such as "de" and "us-ca"."""
        return self._lines("reader", "regions")

    @cached_property
    def attribute_labels(self) -> AttributeLabels:
        """Labels of the vehicles' type, color, orientation, make and model."""
        rows = [line.split("\t") for line in self._lines("attributes", "make_model")]
        return AttributeLabels(
            types=self._lines("attributes", "type"),
            colors=self._lines("attributes", "color"),
            orientations=self._lines("attributes", "orientation"),
            make_models=tuple(
                MakeModel(make, model, int(first or 0), int(last or 0)) for make, model, first, last in rows
            ),
        )

    @cached_property
    def reader(self) -> ModelSpec:
        """The plate reader."""
        return ModelSpec(
            "reader",
            inputs=(Tensor("plate", "UINT8", (ANY, *PLATE_SHAPE)),),
            outputs=(
                Tensor("characters", "FP32", (ANY, FRAMES, len(self.characters))),
                Tensor("region", "FP32", (ANY, len(self.regions))),
            ),
        )

    @cached_property
    def attributes(self) -> ModelSpec:
        """The vehicle classifier."""
        labels = self.attribute_labels
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

    @cached_property
    def dscore(self) -> Dscore:
        """The fitted computation of `dscore`."""
        return self.fitted(self.dscore_file, Dscore)

    @cached_property
    def text_score(self) -> TextScore:
        """The calibration of text scores; for uncalibrated models, the score is the reader's confidence."""
        return self.fitted(self.text_score_file, TextScore) if self.text_score_file.exists() else TextScore()

    @property
    def text_score_file(self) -> Path:
        return self._root / "reader" / "text_score.json"

    @property
    def dscore_file(self) -> Path:
        return self._root / "reader" / "dscore.json"

    @property
    def calibration_file(self) -> Path:
        """The calibration of the detector's scores."""
        return self._root / "detector" / "calibration.json"

    @property
    def template_fit_file(self) -> Path:
        """How well plates of each region fit its templates."""
        return self._root / "reader" / "template_fit.csv"

    def fitted(self, file: Path, kind: type[T]) -> T:
        """The figures in a JSON file of the repository, written by the program that fits them."""
        try:
            return TypeAdapter(kind).validate_json(self._read(file))
        except ValidationError as error:
            raise CannotStart(f"{file} is not valid. {validation.first_problem(error, 'It')}") from error

    def _lines(self, model: str, name: str) -> tuple[str, ...]:
        return tuple(self._read(self._root / model / f"{name}.txt").splitlines())

    def _read(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise CannotStart(
                f"{file}: {error.strerror}. PLATELANE_MODEL_REPOSITORY names the folder of the models and their labels."
            ) from error
