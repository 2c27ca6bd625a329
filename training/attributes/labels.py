"""Labels of a vehicle's attributes, and what a data row says about them.

A row gives each head a set of admissible classes: one class if the label is known, several if only a wider term is (a
"car" is a sedan, an SUV, a van or a pickup), all if nothing is known. The loss is the negative logarithm of the
probability of that set. If nothing is known, the loss and its gradient are zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Row

TYPES: Final = ("Big Truck", "Bus", "Motorcycle", "Pickup Truck", "Sedan", "SUV", "Van")
COLORS: Final = ("black", "blue", "brown", "green", "red", "silver", "white", "yellow")
ORIENTATIONS: Final = ("Front", "Rear")
HEADS: Final = ("type", "color", "orientation", "make_model")
"""Also the names of the served model's outputs and of its label files."""

CLASS_TYPES: Final = {
    "car": ("Sedan", "SUV", "Van", "Pickup Truck"),
    "truck": ("Big Truck", "Pickup Truck"),
    "bus": ("Bus",),
    "motorcycle": ("Motorcycle",),
}
"""The possible types of a vehicle box in photographs, by its class."""

WITHOUT_MODELS: Final = frozenset({"Big Truck", "Bus", "Motorcycle"})
"""Types without makes and models in the data: the model must learn that these are undecidable."""

SMOOTHING: Final = 0.06
"""Label smoothing: share of a labelled row's loss that pulls towards equal probabilities."""


@dataclass(frozen=True, slots=True, order=True)
class MakeModel:
    """A make and model, over all of its labelled years."""

    make: str
    model: str
    first_year: str
    last_year: str


GENERIC: Final = MakeModel("generic", "generic", "", "")
"""The only entry if the data names no makes and models."""


def group_models(rows: Iterable[Row]) -> tuple[MakeModel, ...]:
    """The makes and models of the rows, years merged, in alphabetical order; `(GENERIC,)` if there are none."""
    years: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if row["make"]:
            years.setdefault((row["make"], row["model"]), set()).add(row["year"])
    return tuple(MakeModel(*name, min(seen), max(seen)) for name, seen in sorted(years.items())) or (GENERIC,)


@dataclass(frozen=True, slots=True)
class Target:
    """What is known about one head of one vehicle.

    `admissible` (one bool per class) are the possible classes. `smoothing` is the share of the loss that pulls towards
    equal probabilities: 0 if nothing is known, 1 if it was labelled as undecidable.
    """

    admissible: NDArray[np.bool_]
    smoothing: float

    @property
    def single(self) -> bool:
        """Whether exactly one of several classes is known to be right."""
        return len(self.admissible) > 1 and int(self.admissible.sum()) == 1


def one_of(names: Sequence[str], label: str) -> Target:
    """The target of a label: blank means unlabelled, `Unknown` undecidable.

    Raises `ValueError` for a label that is not among the names.
    """
    if not label:
        return Target(np.ones(len(names), dtype=np.bool_), 0.0)
    if label.lower() == "unknown":
        return Target(np.ones(len(names), dtype=np.bool_), 1.0)
    if label not in names:
        raise ValueError(f"label {label!r} is not one of {', '.join(names)}")
    return any_of(names, (label,))


def any_of(names: Sequence[str], labels: Collection[str]) -> Target:
    """The target of a vehicle whose label is one of several."""
    return Target(np.array([name in labels for name in names], dtype=np.bool_), SMOOTHING)


@dataclass(frozen=True, slots=True)
class Labels:
    """The classes of all heads."""

    models: tuple[MakeModel, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Number of classes, by head."""
        return {
            "type": len(TYPES),
            "color": len(COLORS),
            "orientation": len(ORIENTATIONS),
            "make_model": len(self.models),
        }

    @property
    def makes(self) -> NDArray[np.int64]:
        """For each entry of `models`, the index of its make in the alphabetical list of makes."""
        return np.unique([entry.make for entry in self.models], return_inverse=True)[1].astype(np.int64)

    def targets(self, row: Row, vehicle_class: str = "", prefix: str = "") -> dict[str, Target]:
        """What a row of `vehicles` (or, with prefix `vehicle_`, of `photos`) says about each head."""
        kind, make = row.get(prefix + "type", ""), row.get("make", "")
        names = [f"{entry.make}\t{entry.model}" for entry in self.models]
        if make:
            make_model = one_of(names, f"{make}\t{row['model']}")
        else:
            not_tellable = kind in WITHOUT_MODELS or vehicle_class in ("bus", "motorcycle")
            make_model = one_of(names, "Unknown" if not_tellable else "")
        return {
            "type": any_of(TYPES, CLASS_TYPES[vehicle_class]) if vehicle_class else one_of(TYPES, kind),
            "color": one_of(COLORS, row.get(prefix + "color", "")),
            "orientation": one_of(ORIENTATIONS, row.get(prefix + "orientation", "")),
            "make_model": make_model,
        }

    def write(self, folder: Path) -> None:
        """Write `type.txt`, `color.txt`, `orientation.txt` and the tab-separated `make_model.txt`."""
        entries = ["\t".join((e.make, e.model, e.first_year, e.last_year)) for e in self.models]
        heads = dict(zip(HEADS, (TYPES, COLORS, ORIENTATIONS, entries), strict=True))
        folder.mkdir(parents=True, exist_ok=True)
        for head, lines in heads.items():
            (folder / f"{head}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
