"""Results become one delivery for each webhook target, and deliveries become POST requests.

Between the two lies a durable queue, so that a slow or dead receiver delays nobody else's events and no restart loses
one. The payload is that of the REST API's section "WebHooks".
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import httpx
import structlog

from platelane import answers
from platelane.bus import Bus, Done, Outcome, RetryAfter, attempt, subjects
from platelane.pb.v1 import stages_pb2

log = structlog.get_logger(__name__)

EVENT = "image.done"


def hook_id(target: str) -> str:
    """A name for the target that is safe in a subject and the same in every process."""
    return hashlib.sha256(target.encode()).hexdigest()[:12]


class Dispatcher:
    """Handles `stages_pb2.Result`: one delivery for each target."""

    def __init__(self, bus: Bus, targets: Sequence[str]) -> None:
        self._bus = bus
        self._targets = tuple(targets)

    async def handle(self, result: stages_pb2.Result) -> None:
        await asyncio.gather(
            *(
                self._bus.publish(
                    subjects.delivery(hook_id(target)),
                    stages_pb2.Delivery(target=target, result=result),
                    f"{result.recognition.id}.{hook_id(target)}",
                )
                for target in self._targets
            )
        )


class Deliverer:
    """Handles `stages_pb2.Delivery`: one POST; anything but 2xx is tried again later."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def handle(self, delivery: stages_pb2.Delivery) -> Outcome:
        body = {
            "hook": {"target": delivery.target, "id": hook_id(delivery.target), "event": EVENT},
            "data": answers.recognition_body(delivery.result.recognition),
        }
        headers = {"Idempotency-Key": f"{delivery.result.recognition.id}.{hook_id(delivery.target)}"}
        try:
            response = await self._client.post(delivery.target, json=body, headers=headers)
        except httpx.HTTPError as error:
            return RetryAfter(_pause(), f"{delivery.target}: {error!r}")
        if not response.is_success:
            return RetryAfter(_pause(), f"{delivery.target}: HTTP {response.status_code}")
        return Done()


def _pause() -> float:
    """Seconds until the next try: twice as many each time, up to an hour."""
    return min(3600.0, 2.0 ** attempt())
