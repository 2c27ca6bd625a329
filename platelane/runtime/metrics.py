"""The metrics for Prometheus, at `/metrics` of every health page.

with metrics.working("ocr"):       # measures seconds, the number in progress, and errors by kind
    ...
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_BATCHES: Final = (1, 2, 4, 8, 16, 32)

STAGE_SECONDS: Final = Histogram(
    "platelane_stage_seconds", "Time a stage works on one message, or the gateway waits for one answer.", ["stage"],
    buckets=SECONDS,
)  # fmt: skip
IN_FLIGHT: Final = Gauge("platelane_in_flight", "Messages or requests in progress.", ["stage"])
ERRORS: Final = Counter("platelane_errors", "Errors by kind; CancelledError: the caller had left.", ["stage", "kind"])
QUEUE: Final = Gauge(
    "platelane_queue_messages",
    "Messages of a consumer: waiting for a worker, or held by one (working). All replicas report the same.",
    ["consumer", "state"],
)
INFERENCE_SECONDS: Final = Histogram(
    "platelane_inference_seconds", "Time of one call to Triton, including retries.", ["model"], buckets=SECONDS
)
BATCH_SIZE: Final = Histogram("platelane_batch_size", "Images in one call to Triton.", ["model"], buckets=_BATCHES)
REQUEST_SECONDS: Final = Histogram(
    "platelane_request_seconds",
    "Time from a request's head to the end of its answer.",
    ["edge", "method", "status"],
    buckets=SECONDS,
)
WEBHOOK_SECONDS: Final = Histogram(
    "platelane_webhook_seconds",
    "Time of one request to a receiver, by its answer: 2xx to 5xx, or none.",
    ["outcome"],
    buckets=SECONDS,
)

LOOP_HELD_SECONDS: Final = Histogram(
    "platelane_loop_held_seconds",
    "Time for which the gateway's event loop was blocked, measured every 20 ms; all clients wait meanwhile.",
    buckets=SECONDS,
)
LOOP_LONGEST: Final = Gauge("platelane_loop_longest_seconds", "The longest of these times since the gateway started.")
JOBS_EXPIRED: Final = Counter(
    "platelane_jobs_expired", "Jobs that a stage dropped because their deadline passed or their call ended.", ["stage"]
)
DEAD_LETTERS: Final = Counter(
    "platelane_dead_letters", "Messages given up, by their stream; HOOKS: events of all webhooks.", ["stream"]
)
READS_INDEXED: Final = Counter("platelane_reads_indexed", "Results that this process has added to the index of reads.")
READS_BEHIND: Final = Gauge("platelane_reads_behind", "Stored results that are not in the index of reads yet.")
CHECK: Final = Gauge("platelane_check", "Whether a check of the health page passes: 1 or 0.", ["check"])
HOOKS: Final = Gauge(
    "platelane_hooks", "Webhooks: enabled, off (by their owner), or disabled because all requests failed.", ["state"]
)
HOOK_QUEUE: Final = Gauge("platelane_hook_queue_messages", "Events waiting for the receiver of a webhook.", ["hook"])
HOOK_LAG: Final = Gauge(
    "platelane_hook_lag_seconds",
    "Age of the oldest event waiting for the receiver of an enabled webhook.",
    ["hook"],
)
STORE: Final = Gauge(
    "platelane_store_bytes", "JetStream's files, one copy: used, and reserved (the streams' limits).", ["kind"]
)

Update: TypeAlias = Callable[[], Awaitable[None]]
"""Updates metrics that are only measured at a scrape. Removes metrics that cannot be measured now."""
QueueSize: TypeAlias = Callable[[], Awaitable[tuple[int, int]]]
"""The numbers of messages that are waiting, and that workers hold."""

_updates: Final[dict[str, Update]] = {}


def before_scrape(name: str, update: Update) -> None:
    """Call `update` at every scrape."""
    _updates[name] = update


def watch(consumer: str, size: QueueSize) -> None:
    """Measure the size of a queue at every scrape."""
    before_scrape(consumer, partial(_update_queue, consumer, size))


def stage_counts() -> dict[str, list[int]]:
    """For each stage, how many durations were at most each of `SECONDS`, and last the total number."""
    found: dict[str, list[int]] = {}
    for sample in next(iter(STAGE_SECONDS.collect())).samples:
        if sample.name.endswith("_bucket"):
            found.setdefault(sample.labels["stage"], []).append(int(sample.value))
    return found


def checked(checks: Mapping[str, bool]) -> None:
    """Record the results of the health page's checks."""
    for name, passes in checks.items():
        CHECK.labels(name).set(passes)


def dead_letter(stream: str, amount: int = 1) -> None:
    """Count messages that were given up. Call it with 0 first, so that the first one counts as an increase."""
    DEAD_LETTERS.labels("HOOKS" if stream.startswith("HOOK_") else stream).inc(amount)


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
class MeasuredRequest:
    """A request; `status` becomes known while it is answered."""

    status: str = "none"


@contextmanager
def request(edge: str, method: str) -> Iterator[MeasuredRequest]:
    """Measure one request."""
    measured, started = MeasuredRequest(), time.perf_counter()
    try:
        yield measured
    finally:
        REQUEST_SECONDS.labels(edge, method, measured.status).observe(time.perf_counter() - started)


def webhook(status: int | None, seconds: float) -> None:
    """Record one request to a receiver; `status` is None if there was no answer."""
    WEBHOOK_SECONDS.labels(f"{status // 100}xx" if status else "none").observe(seconds)


async def exposition() -> bytes:
    """All metrics in Prometheus' text format, without those that cannot be measured now."""
    await asyncio.gather(*(update() for update in _updates.values()))
    return generate_latest()


async def _update_queue(consumer: str, size: QueueSize) -> None:
    try:
        waiting, working = await size()
    except Exception:
        for state in ("waiting", "working"):
            QUEUE.remove(consumer, state)
    else:
        QUEUE.labels(consumer, "waiting").set(waiting)
        QUEUE.labels(consumer, "working").set(working)
