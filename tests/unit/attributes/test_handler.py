from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attributes.handler import Classifier
from platelane.pb.v1.stages_pb2 import VehicleCrops, VehiclesPart
from tests.models import SHIPPED
from tests.stages import Models, Outputs, Published, context, info

LABELS = SHIPPED.attribute_labels


def heads(count: int) -> Outputs:
    """Every vehicle is certainly of the first type; nothing else is known of it."""

    def even(classes: int) -> NDArray[np.float32]:
        return np.full((count, classes), 1 / classes, np.float32)

    types = np.zeros((count, len(LABELS.types)), np.float32)
    types[:, 0] = 1
    return {
        "type": types,
        "color": even(len(LABELS.colors)),
        "orientation": even(len(LABELS.orientations)),
        "make_model": even(len(LABELS.make_models)),
    }


async def test_all_vehicles_of_a_job_are_classified_in_one_request() -> None:
    bus, models = Published(), Models({"attributes": heads})
    await Classifier(bus, models, SHIPPED)(VehicleCrops(context=context(), crops=[b"one", b"two"]), info())
    [(subject, part)] = bus.messages
    assert subject == "platelane.parts.job.vehicles"
    assert isinstance(part, VehiclesPart)
    assert [vehicle.types[0].value for vehicle in part.vehicles] == [LABELS.types[0]] * 2
    assert part.context.id == "job"
    assert models.calls == [("attributes", 2)]


async def test_a_job_that_is_delivered_again_leaves_one_part() -> None:
    bus, models = Published(), Models({"attributes": heads})
    handler = Classifier(bus, models, SHIPPED)
    for attempt in (1, 2):
        await handler(VehicleCrops(context=context(), crops=[b"one"]), info(attempt=attempt))
    assert len(bus.messages) == 1
