"""Turns the attribute model's output for one vehicle into names with scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from platelane.pb.v1 import domain_pb2
from platelane.rest_json import TOP
from platelane.vision.model_specs import AttributeLabels

# If the best class is less likely than this, none is named, and the answer says `Unknown` or `generic`.
_MIN_NAME: Final = 0.3
_MIN_COLOR: Final = 0.5
"""Of 235 vehicles in photographs of the validation split 15 score less, and three of these are named correctly."""
_MIN_ORIENTATION: Final = 0.6
_MIN_MAKE_MODEL: Final = 0.2
"""Of the 676 vehicles of the validation split whose model the network knows, 6 score less, and none of these is named
correctly."""


def decode(heads: Mapping[str, NDArray[np.float32]], labels: AttributeLabels) -> domain_pb2.Vehicle:
    """A vehicle without its box; the best three of each attribute.

    Args:
        heads: for each output of the model its probabilities, FP32 (classes,).
    """
    return domain_pb2.Vehicle(
        types=_scored(heads["type"], labels.types, _MIN_NAME),
        colors=_scored(heads["color"], labels.colors, _MIN_COLOR),
        orientations=_scored(heads["orientation"], labels.orientations, _MIN_ORIENTATION),
        make_models=[
            domain_pb2.MakeModel(
                make=labels.make_models[i].make,
                model=labels.make_models[i].model,
                first_year=labels.make_models[i].first_year,
                last_year=labels.make_models[i].last_year,
                score=score,
            )
            for i, score in _top(heads["make_model"], _MIN_MAKE_MODEL)
        ],
    )


def _scored(probabilities: NDArray[np.float32], names: Sequence[str], minimum: float) -> list[domain_pb2.Scored]:
    return [domain_pb2.Scored(value=names[i], score=score) for i, score in _top(probabilities, minimum)]


def _top(probabilities: NDArray[np.float32], minimum: float) -> Iterator[tuple[int, float]]:
    """The best few with their probabilities; none if even the first is below `minimum`."""
    order = np.argsort(-probabilities)[:TOP]
    if probabilities[order[0]] >= minimum:
        yield from ((int(i), float(probabilities[i])) for i in order)
