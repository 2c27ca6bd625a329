"""The streams and durable consumers everything runs on, as data, and the one function that makes them so.

Storage is always files: a stream in memory vanishes, definition and all, when nats-server restarts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from nats.errors import Error as NatsError
from nats.js import JetStreamManager
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RePublish, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from platelane.bus import subjects
from platelane.errors import EngineUnavailable, Fault
from platelane.settings import Settings

JOBS: Final = "JOBS"
CROPS: Final = "CROPS"
PARTS: Final = "PARTS"
RESULTS: Final = "RESULTS"
DEAD: Final = "DEAD"
USAGE: Final = "USAGE"
ADVISORIES: Final = "ADVISORIES"
RATES: Final = "RATES"
TOKENS: Final = "tokens"
"""Bucket of the tokens that the cloud profile knows."""
ZONES: Final = "zones"
"""Bucket of the cameras' detection zones."""
HOOK_COUNTS: Final = "HOOK_COUNTS"
KV_HOOKS: Final = "KV_HOOKS"
KV_IMAGES: Final = "KV_IMAGES"

JOB_STREAMS: Final = frozenset({JOBS, CROPS, PARTS})
"""Streams whose messages begin with a JobContext."""
WORK_QUEUES: Final = frozenset({JOBS, CROPS, ADVISORIES})
"""Streams that keep a message until it has been dealt with."""

_DISPATCH_ATTEMPTS: Final = 1_000
"""A result fails to be dispatched only while NATS does, so it is not given up."""
_REMEMBERED_INCREMENTS: Final = 10_000
_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0
_MIB: Final = 1 << 20
_LARGEST: Final = 16 * _MIB
"""Room for a message of the largest size even in the smallest queue."""
_STREAM_NAME_TAKEN: Final = 10058
_NO_PEERS: Final = 10005
"""The error of a cluster that has too few servers for a stream's copies: a moment after its start, or while one is
replaced."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer. What is None comes from the settings."""

    stream: str
    name: str
    filter: str | None = None
    max_deliver: int | None = None
    max_ack_pending: int = 4_096
    """1 keeps the order, whatever dies."""

    def attempts(self, settings: Settings) -> int:
        """Times a message is delivered before it is a dead letter."""
        return self.max_deliver or settings.max_deliver


DETECTOR: Final = Consumer(JOBS, "detector", subjects.DETECT)
OCR: Final = Consumer(CROPS, "ocr", subjects.PLATE_CROPS)
ATTRIBUTES: Final = Consumer(CROPS, "attributes", subjects.VEHICLE_CROPS)
AGGREGATOR: Final = Consumer(PARTS, "aggregator")
DISPATCHER: Final = Consumer(RESULTS, "dispatcher", max_deliver=_DISPATCH_ATTEMPTS, max_ack_pending=1)
DEAD_LETTERS: Final = Consumer(ADVISORIES, "dead_letters", max_deliver=1_000)

STAGES: Final = frozenset({DETECTOR.name, OCR.name, ATTRIBUTES.name})
"""Services that wait until others have made streams and consumers."""
CONSUMERS: Final = (DETECTOR, OCR, ATTRIBUTES, AGGREGATOR, DISPATCHER, DEAD_LETTERS)


def streams(settings: Settings) -> list[StreamConfig]:
    """Every stream.

    A queue refuses what is over its limit (the caller gets 503) instead of dropping the oldest. Jobs outlive their
    deadline only where no worker is left to drop them; their age ends that. The server learns message ids again from
    what is stored when it restarts, so the counter keeps its latest increments, not only the total.
    """
    job_age = 2 * _MINUTE + settings.deadline
    result_age = settings.results_days * _DAY
    window = min(2 * _MINUTE, result_age)
    queue = StreamConfig(
        retention=RetentionPolicy.WORK_QUEUE, discard=DiscardPolicy.NEW, max_age=job_age, duplicate_window=window
    )
    kept = StreamConfig(
        retention=RetentionPolicy.LIMITS, discard=DiscardPolicy.OLD, max_age=result_age, duplicate_window=window
    )
    configs = [
        queue.evolve(
            name=JOBS,
            subjects=["platelane.jobs.>"],
            max_msgs=settings.queue_limit,
            max_bytes=settings.queue_limit * 2 * _MIB + _LARGEST,
        ),
        queue.evolve(
            name=CROPS,
            subjects=["platelane.crops.>"],
            max_msgs=2 * settings.queue_limit,
            max_bytes=settings.queue_limit * _MIB + _LARGEST,
        ),
        kept.evolve(
            name=PARTS,
            subjects=["platelane.parts.*.*"],
            discard=DiscardPolicy.NEW,
            max_age=job_age,
            max_bytes=256 * _MIB,
            max_msgs_per_subject=1,
            allow_direct=True,
        ),
        kept.evolve(
            name=RESULTS,
            subjects=[subjects.ALL_RESULTS],
            max_bytes=settings.results_bytes,
            allow_direct=True,
            republish=RePublish(src=subjects.ALL_RESULTS, dest=subjects.STORED_RESULTS, headers_only=True),
        ),
        kept.evolve(
            name=DEAD,
            subjects=["platelane.dead.*"],
            max_bytes=256 * _MIB,
            allow_direct=True,
        ),
        kept.evolve(
            name=USAGE,
            subjects=["platelane.usage.*.*"],
            max_age=None,
            duplicate_window=10 * _MINUTE,
            max_msgs_per_subject=_REMEMBERED_INCREMENTS,
            allow_direct=True,
            allow_msg_counter=True,
        ),
        kept.evolve(
            name=HOOK_COUNTS,
            subjects=[subjects.hook_count("*", "*")],
            max_age=None,
            max_msgs_per_subject=1,
            allow_direct=True,
            allow_msg_counter=True,
        ),
        kept.evolve(
            name=KV_HOOKS,
            subjects=["$KV.HOOKS.>"],
            discard=DiscardPolicy.NEW,
            max_age=None,
            max_bytes=64 * _MIB,
            max_msgs_per_subject=1,
            allow_direct=True,
        ),
        kept.evolve(
            name=KV_IMAGES,
            subjects=["$KV.IMAGES.>"],
            max_age=settings.image_hours * _HOUR,
            duplicate_window=min(2 * _MINUTE, settings.image_hours * _HOUR),
            max_bytes=settings.image_bytes,
            max_msgs_per_subject=1,
            allow_direct=True,
        ),
        kept.evolve(
            name=RATES,
            subjects=["platelane.rate.*.*"],
            max_age=_MINUTE,
            duplicate_window=_MINUTE,
            max_msgs_per_subject=1,
            max_bytes=16 * _MIB,
            allow_direct=True,
            allow_msg_counter=True,
        ),
        _mirrored(TOKENS),
        _mirrored(ZONES),
        queue.evolve(
            name=ADVISORIES,
            subjects=["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"],
            discard=DiscardPolicy.OLD,
            max_bytes=16 * _MIB,
            max_age=_DAY,
        ),
    ]
    return [config.evolve(storage=StorageType.FILE, num_replicas=settings.nats_replicas) for config in configs]


def _mirrored(bucket: str) -> StreamConfig:
    """A key-value bucket that tells of each change once it is stored: see `Mirror`."""
    return StreamConfig(
        name=f"KV_{bucket}",
        subjects=[subjects.entry(bucket, ">")],
        discard=DiscardPolicy.NEW,
        max_msgs_per_subject=1,
        max_bytes=64 * _MIB,
        duplicate_window=2 * _MINUTE,
        allow_direct=True,
        allow_rollup_hdrs=True,
        deny_delete=True,
        republish=RePublish(src=subjects.entry(bucket, ">"), dest=subjects.changed(bucket, ">")),
    )


def _durable(consumer: Consumer, settings: Settings) -> ConsumerConfig:
    return ConsumerConfig(
        name=consumer.name,
        durable_name=consumer.name,
        filter_subject=consumer.filter,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait,
        max_deliver=consumer.attempts(settings),
        max_ack_pending=consumer.max_ack_pending,
        max_waiting=4_096,
    )


async def ensure_topology(manager: JetStreamManager, settings: Settings, patience: float = 10.0) -> None:
    """Make every stream and consumer what it should be. Safe to run by many services at once, and again.

    Raises:
        EngineUnavailable: JetStream did not answer for `patience` seconds.
        Fault: the server refuses a definition, for a reason that waiting does not mend.
    """
    for config in streams(settings):
        await _patiently(f"stream {config.name}", partial(ensure_stream, manager, config), patience)
    for consumer in CONSUMERS:
        durable = partial(manager.add_consumer, consumer.stream, _durable(consumer, settings))
        await _patiently(f"consumer {consumer.name} of {consumer.stream}", durable, patience)


async def ensure_stream(manager: JetStreamManager, config: StreamConfig) -> None:
    """Make a stream, or change the one that is there.

    Changing comes first: asked to make a stream that is there, the server wants room for another one.

    Raises:
        nats.errors.Error: the server does not answer, or refuses.
    """
    with contextlib.suppress(NotFoundError):
        await manager.update_stream(config)
        return
    try:
        await manager.add_stream(config)
    except APIError as error:
        if error.err_code != _STREAM_NAME_TAKEN:
            raise
        await manager.update_stream(config)  # somebody else made it in this moment


async def _patiently(what: str, attempt: Callable[[], Awaitable[object]], patience: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while True:
        try:
            await attempt()
        except NatsError as error:
            if isinstance(error, APIError) and not _passes(error):
                raise Fault(f"NATS refuses {what}: {error.description}") from error
            if loop.time() > end:
                raise EngineUnavailable(f"NATS does not make {what}: {error}") from error
            await asyncio.sleep(0.2)
        else:
            return


def _passes(refusal: APIError) -> bool:
    """Whether waiting may mend it: there is no leader yet, or too few servers, because one is still away."""
    return isinstance(refusal, ServiceUnavailableError) or refusal.err_code == _NO_PEERS
