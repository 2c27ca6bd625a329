"""Rows of a list of vehicles, checked like those of plates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from platelane.vision.geometry import Box
from platelane.vision.model_specs import AttributeLabels
from training.common.errors import DataError
from training.learn.folder import MODELS_FILE, Folder, PictureList
from training.learn.rows import Fault, checked_box, checked_file
from training.learn.table import Line

HEADS: Final = ("type", "color", "orientation")
"""Heads with one column; makes and models have two."""
UNKNOWN: Final = "Unknown"


@dataclass(frozen=True, slots=True)
class Model:
    """A make and model, with its first and last year, if given."""

    make: str
    model: str
    first_year: str = ""
    last_year: str = ""


@dataclass(frozen=True, slots=True)
class VehicleRow:
    """A usable row; unknown values are empty. `model` may be empty even if `make` is given."""

    place: str
    file: str
    type: str = ""
    color: str = ""
    orientation: str = ""
    make: str = ""
    model: str = ""
    box: Box | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return self.type, self.color, self.orientation, f"{self.make} {self.model}".strip()


@dataclass(frozen=True, slots=True)
class Names:
    """The classes that the served model knows, and new models, which are lines of the folder's makes.txt."""

    types: tuple[str, ...]
    colors: tuple[str, ...]
    orientations: tuple[str, ...]
    models: tuple[Model, ...]
    new: tuple[Model, ...] = ()

    @classmethod
    def of(cls, labels: AttributeLabels, folder: Folder) -> Names:
        """Raises DataError for a line that is not a make and model."""
        known = tuple(
            Model(each.make, each.model, str(each.first_year or ""), str(each.last_year or ""))
            for each in labels.make_models
        )
        named = {(each.make, each.model) for each in known}
        new = []
        for line in folder.names(MODELS_FILE):
            make, model, *years = (*(part.strip() for part in line.split(",")), "")[: max(2, line.count(",") + 1)]
            if not make or not model or len(years) > 2 or any(not re.fullmatch(r"\d{4}", year) for year in years):
                raise DataError(f"{MODELS_FILE}: {line!r} is not `make, model[, first year, last year]`")
            if (make, model) not in named:
                new.append(Model(make, model, *years))
        return cls(labels.types, labels.colors, labels.orientations, known, tuple(dict.fromkeys(new)))

    @property
    def all_models(self) -> tuple[Model, ...]:
        return (*self.models, *self.new)

    def of_head(self, head: str) -> tuple[str, ...]:
        return {"type": self.types, "color": self.colors, "orientation": self.orientations}[head]


def vehicle_rows(folder: Folder, listed: PictureList, names: Names) -> tuple[list[VehicleRow], list[Fault]]:
    """The usable rows, and the faults of the others.

    Raises:
        DataError: the list lacks required columns, or there is no list.
    """
    if not listed.name:
        raise DataError(f"{folder.path} has no list: a CSV file with file and type, color, orientation or make, model")
    if "file" not in listed.columns or not listed.columns & {*HEADS, "make"}:
        raise DataError(f"{listed.name}:1: the columns are file and some of type, color, orientation, make, model, box")
    rows: list[VehicleRow] = []
    faults: list[Fault] = []
    problems: dict[str, str] = {}
    for line in listed.lines:
        place = listed.place(line)
        file, missing = checked_file(folder, line["file"], problems)
        box, unclear = checked_box(line)
        said = [missing, unclear, *(_name_fault(line[head], names.of_head(head), head) for head in HEADS)]
        said.append(_model_fault(line, names))
        if not any(line[column] for column in (*HEADS, "make")):
            said.append("the row says nothing about the vehicle")
        said = [each for each in said if each]
        faults += [Fault(place, each) for each in said]
        if file and not said:
            kind, color, orientation, make, model = (line[column] for column in (*HEADS, "make", "model"))
            rows.append(VehicleRow(place, file, kind, color, orientation, make, model, box))
    return rows, faults


def _name_fault(written: str, names: Sequence[str], head: str) -> str:
    if not written or written in names or written == UNKNOWN:
        return ""
    close = [name for name in names if name.lower() == written.lower()] or get_close_matches(written, names, 1, 0.6)
    ask = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(names)}"
    return f"no {head} {written!r}: {ask}"


def _model_fault(line: Line, names: Names) -> str:
    make, model = line["make"], line["model"]
    if not make:
        return "a model without a make" if model else ""
    models = [each.model for each in names.all_models if each.make == make]
    if models and (not model or model in models):
        return ""
    new = f"to add one, write `make, model` on a line of {MODELS_FILE} beside the list"
    if not models:
        makes = list(dict.fromkeys(each.make for each in names.all_models))
        close = [name for name in makes if name.lower() == make.lower()] or get_close_matches(make, makes, 1, 0.7)
        return f"no make {make!r}: " + (f"did you mean `{close[0]}`?" if close else new)
    close = [name for name in models if name.lower() == model.lower()] or get_close_matches(model, models, 1, 0.7)
    return f"no {make} {model!r}: " + (f"did you mean `{close[0]}`?" if close else new)
