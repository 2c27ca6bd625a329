"""One job's vehicles: classify them all in one request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray
from platelane.inference import InferenceClient

from platelane import models
from platelane.bus import Bus, subjects
from platelane.pb.v1 import domain_pb2, stages_pb2

log = structlog.get_logger(__name__)

TOP: Final = 3
_MIN_NAME: Final = 0.3
_MIN_MAKE_MODEL: Final = 0.1
"""A first choice less likely than this is no evidence: nothing is named, and the answer says `Unknown` or `generic`."""


class Classifier:
    """Handles `stages_pb2.VehicleCrops`: publishes a `VehiclesPart` in the order of the crops."""

    def __init__(self, bus: Bus, inference: InferenceClient) -> None:
        self._bus = bus
        self._inference = inference
        self._labels = models.attribute_labels()

    async def handle(self, job: stages_pb2.VehicleCrops) -> None:
        deadline = job.context.deadline_us / 1e6
        outputs = await self._inference.infer(models.ATTRIBUTES, job.crops, deadline)
        vehicles = [
            self._describe({name: values[i] for name, values in outputs.items()}) for i in range(len(job.crops))
        ]
        part = stages_pb2.VehiclesPart(context=job.context, vehicles=vehicles)
        subject = subjects.part(job.context.id, subjects.VEHICLES)
        await self._bus.publish(subject, part, f"{job.context.id}.described", deadline)
        log.debug("described", vehicles=len(vehicles))

    def _describe(self, heads: dict[str, NDArray[np.float32]]) -> domain_pb2.Vehicle:
        """heads: for each output its probabilities, FP32 (classes,)."""
        return domain_pb2.Vehicle(
            types=_scored(heads["type"], self._labels.types),
            colors=_scored(heads["color"], self._labels.colors),
            orientations=_scored(heads["orientation"], self._labels.orientations),
            make_models=[
                domain_pb2.MakeModel(
                    make=self._labels.make_models[i].make,
                    model=self._labels.make_models[i].model,
                    first_year=self._labels.make_models[i].first_year,
                    last_year=self._labels.make_models[i].last_year,
                    score=score,
                )
                for i, score in _top(heads["make_model"], _MIN_MAKE_MODEL)
            ],
        )


def _scored(probabilities: NDArray[np.float32], names: Sequence[str]) -> list[domain_pb2.Scored]:
    return [domain_pb2.Scored(value=names[i], score=score) for i, score in _top(probabilities, _MIN_NAME)]


def _top(probabilities: NDArray[np.float32], minimum: float) -> Iterator[tuple[int, float]]:
    """The best few with their probabilities; none if even the first is below `minimum`."""
    order = np.argsort(-probabilities)[:TOP]
    if probabilities[order[0]] >= minimum:
        yield from ((int(i), float(probabilities[i])) for i in order)
