"""Which attributes of a vehicle are reported, and which are left unknown."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from attributes.decode import decode
from tests.models import SHIPPED

LABELS = SHIPPED.attribute_labels
SIZES = {
    "type": len(LABELS.types),
    "color": len(LABELS.colors),
    "orientation": len(LABELS.orientations),
    "make_model": len(LABELS.make_models),
}


def heads(**best: float) -> dict[str, NDArray[np.float32]]:
    """Probabilities of each head: `best` for its second class, the rest shared."""
    probabilities = {}
    for name, size in SIZES.items():
        first = best.get(name, 1.0)
        probabilities[name] = np.full(size, (1 - first) / (size - 1), dtype=np.float32)
        probabilities[name][1] = first
    return probabilities


def test_the_best_three_are_named_best_first() -> None:
    vehicle = decode(heads(type=0.5), LABELS)
    assert vehicle.types[0].value == LABELS.types[1]
    assert vehicle.types[0].score == pytest.approx(0.5)
    assert len(vehicle.types) == 3
    assert [entry.score for entry in vehicle.types] == sorted((entry.score for entry in vehicle.types), reverse=True)
    assert vehicle.make_models[0].make == LABELS.make_models[1].make


@pytest.mark.parametrize(
    ("head", "field", "too_little", "enough"),
    [
        ("type", "types", 0.28, 0.32),
        ("color", "colors", 0.48, 0.52),
        ("orientation", "orientations", 0.58, 0.62),
        ("make_model", "make_models", 0.18, 0.22),
    ],
)
def test_thin_evidence_names_nothing(head: str, field: str, too_little: float, enough: float) -> None:
    assert not getattr(decode(heads(**{head: too_little}), LABELS), field)
    assert getattr(decode(heads(**{head: enough}), LABELS), field)
