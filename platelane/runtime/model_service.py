"""The common part of the three services that run a model: wait for the models, then work until asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from platelane.bus import Bus, MessageInfo, Worker
from platelane.bus.places import Places
from platelane.bus.topology import Consumer
from platelane.bus.worker import Wire
from platelane.runtime import service
from platelane.vision.inference import InferenceClient
from platelane.vision.model_specs import ModelSpec

M = TypeVar("M", bound=Wire)

MODEL_PATIENCE: Final = 120.0
"""Seconds that a starting service waits for Triton to serve its models."""


async def work(
    bus: Bus,
    stop: asyncio.Event,
    models: Sequence[ModelSpec],
    consumer: Consumer,
    message_type: type[M],
    handler: Callable[[Bus, InferenceClient], Callable[[M, MessageInfo], Awaitable[None]]],
    bulk: Consumer | None = None,
) -> None:
    """Handle the messages of `consumer` with the handler that `handler` makes from the bus and the inference client;
    those of `bulk` as well, while there are none of `consumer`.

    Raises:
        ModelMismatch: the served model is not the one that the code expects.
        EngineUnavailable: Triton did not serve the models in `MODEL_PATIENCE` seconds.
    """
    async with InferenceClient(bus.settings.triton_url) as inference:
        service.health.require("triton", inference.ready)
        waiting = asyncio.gather(*(inference.wait_for(model, MODEL_PATIENCE) for model in models))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not waiting.done():
            waiting.cancel()
            return
        waiting.result()
        service.models.update(inference.batch_sizes)
        handle, in_flight = handler(bus, inference), bus.settings.in_flight
        places = Places(in_flight)
        async with asyncio.TaskGroup() as workers:
            workers.create_task(Worker(bus, consumer, message_type, handle, in_flight, places=places).run(stop))
            if bulk:
                last = Worker(bus, bulk, message_type, handle, in_flight, places=places, waits=True)
                workers.create_task(last.run(stop))
