"""What Prometheus is told at `/metrics` of every health page.

with metrics.working("ocr"):       # seconds, how many at once, and errors by kind
    ...
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_BATCHES: Final = (1, 2, 4, 8, 16, 32)

STAGE_SECONDS: Final = Histogram(
    "platelane_stage_seconds", "Time a stage works on one message, or the gateway waits for one answer.", ["stage"],
    buckets=_SECONDS,
)  # fmt: skip
IN_FLIGHT: Final = Gauge("platelane_in_flight", "Messages, or requests, that are worked on now.", ["stage"])
ERRORS: Final = Counter("platelane_errors", "Errors by kind; CancelledError: nobody waits any more.", ["stage", "kind"])
QUEUE: Final = Gauge(
    "platelane_queue_messages",
    "Messages of a consumer: waiting for a worker, or with one (working). Seen alike by all replicas.",
    ["consumer", "state"],
)
INFERENCE_SECONDS: Final = Histogram(
    "platelane_inference_seconds", "Time of one call to Triton, retries included.", ["model"], buckets=_SECONDS
)
BATCH_SIZE: Final = Histogram("platelane_batch_size", "Images in one call to Triton.", ["model"], buckets=_BATCHES)
REQUEST_SECONDS: Final = Histogram(
    "platelane_request_seconds",
    "Time from a request's head to its answer's end.",
    ["edge", "method", "status"],
    buckets=_SECONDS,
)
WEBHOOK_SECONDS: Final = Histogram(
    "platelane_webhook_seconds",
    "Time of one request to a receiver, by its answer: 2xx to 5xx, or none.",
    ["outcome"],
    buckets=_SECONDS,
)

QueueSize: TypeAlias = Callable[[], Awaitable[tuple[int, int]]]
"""Messages that wait, and that are with workers."""

_queues: Final[dict[str, QueueSize]] = {}


def watch(consumer: str, size: QueueSize) -> None:
    """Ask for the size of a queue whenever somebody scrapes."""
    _queues[consumer] = size


@contextmanager
def working(stage: str) -> Iterator[None]:
    """Measure one piece of work."""
    started = time.perf_counter()
    IN_FLIGHT.labels(stage).inc()
    try:
        yield
    except BaseException as error:
        ERRORS.labels(stage, type(error).__name__).inc()
        raise
    finally:
        IN_FLIGHT.labels(stage).dec()
        STAGE_SECONDS.labels(stage).observe(time.perf_counter() - started)


@dataclass(slots=True)
class Noted:
    """A request; `status` becomes known while it is answered."""

    status: str = "none"


@contextmanager
def request(edge: str, method: str) -> Iterator[Noted]:
    """Measure one request."""
    noted, started = Noted(), time.perf_counter()
    try:
        yield noted
    finally:
        REQUEST_SECONDS.labels(edge, method, noted.status).observe(time.perf_counter() - started)


def webhook(status: int | None, seconds: float) -> None:
    """Note one request to a receiver; `status` is None where there was no answer."""
    WEBHOOK_SECONDS.labels(f"{status // 100}xx" if status else "none").observe(seconds)


async def exposition() -> bytes:
    """All metrics in Prometheus' text format; a queue that cannot be asked now is left out."""
    await asyncio.gather(*(_look(consumer, size) for consumer, size in _queues.items()))
    return generate_latest()


async def _look(consumer: str, size: QueueSize) -> None:
    try:
        waiting, at_work = await size()
    except Exception:
        for state in ("waiting", "working"):
            QUEUE.remove(consumer, state)
    else:
        QUEUE.labels(consumer, "waiting").set(waiting)
        QUEUE.labels(consumer, "working").set(at_work)
