"""The streams and durable consumers that everything runs on, as data. `apply` creates them; services check them.

There are two classes of data: work (jobs, crops, parts, hand-backs, rates), which lives for seconds, and durable data.
Each class has its own number of copies. Storage is always files: a stream in memory, including its definition, is lost
when nats-server restarts.

JOBS, CROPS and PARTS are split into partitions by camera. Each partition is a separate stream, whose leader may be on
another server. Partition 0 has the plain name and subjects (`JOBS`, `platelane.jobs.detect`); the others append their
number to both (`JOBS_2`, `platelane.jobs.detect.2`).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RePublish, RetentionPolicy, StorageType, StreamConfig

from platelane.bus import subjects
from platelane.runtime.settings import Settings

VERSION: Final = 8
"""Raised with every change of a definition; kept in the metadata of streams and consumers.

Streams of version 1 were made by the services themselves, and have no such metadata.
"""
OLDEST_SERVICE: Final = 2
"""The oldest version whose services can work on these streams; kept beside `VERSION`."""

JOBS: Final = "JOBS"
CROPS: Final = "CROPS"
PARTS: Final = "PARTS"
RESULTS: Final = "RESULTS"
DEAD: Final = "DEAD"
USAGE: Final = "USAGE"
ADVISORIES: Final = "ADVISORIES"
OUTCOMES: Final = "OUTCOMES"
RATES: Final = "RATES"
HANDED_BACK: Final = "HANDED_BACK"
TOKENS: Final = "tokens"
"""Bucket of the tokens of the cloud profile."""
ZONES: Final = "zones"
"""Bucket of the cameras' detection zones."""
WATCHLISTS: Final = "watchlists"
"""Bucket of the watch-lists."""
HOOKS: Final = "HOOKS"
"""Bucket of the webhooks."""
REQUESTS: Final = "requests"
"""Bucket of requests with an Idempotency-Key."""
CORRECTIONS: Final = "corrections"
"""Bucket of people's corrections of reads."""
KV_CORRECTIONS: Final = f"KV_{CORRECTIONS}"
KV_REQUESTS: Final = f"KV_{REQUESTS}"
KV_TOKENS: Final = f"KV_{TOKENS}"
KV_ZONES: Final = f"KV_{ZONES}"
KV_WATCHLISTS: Final = f"KV_{WATCHLISTS}"
HOOK_COUNTS: Final = "HOOK_COUNTS"
KV_HOOKS: Final = f"KV_{HOOKS}"
KV_HOOK_HEALTH: Final = "KV_HOOK_HEALTH"
KV_IMAGES: Final = "KV_IMAGES"
KV_CROPS: Final = "KV_CROPS"
KV_CAMERAS: Final = "KV_CAMERAS"

JOB_STREAMS: Final = frozenset({JOBS, CROPS, PARTS})
"""Streams whose messages begin with a JobContext. They are divided into partitions."""
WORK: Final = (JOBS, CROPS, PARTS)
"""The same streams, in the order in which a job passes through them."""
WORK_QUEUES: Final = frozenset({JOBS, CROPS, ADVISORIES})
"""Streams that keep a message until it has been handled."""
COUNT_WINDOW: Final = 120.0
"""Seconds within which a repeated count has no effect: more than twice the longest deadline of a job."""

_DISPATCH_ATTEMPTS: Final = 1_000
"""Dispatching a result only fails while NATS fails, so it is practically never given up."""
_MOST_INCREMENTS: Final = 100_000
"""Limit of the increments of one counter, in case they are not rolled up."""
_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0
_MIB: Final = 1 << 20
_LEAST_ROOM: Final = 16 * _MIB
"""Room for messages of the largest size, even in the smallest queue."""
_VERSION_KEY: Final = "platelane.topology"
_OLDEST_SERVICE_KEY: Final = "platelane.oldest_service"


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer. Fields that are None are taken from the settings."""

    stream: str
    name: str
    filter: str | None = None
    max_deliver: int | None = None
    max_ack_pending: int = 4_096
    """1 preserves the order of messages, even across crashes."""

    def attempts(self, settings: Settings) -> int:
        """Deliveries after which a message becomes a dead letter."""
        return self.max_deliver or settings.max_deliver

    def partitions(self, settings: Settings) -> list[Consumer]:
        """The same consumer of every partition of its stream."""
        return [
            replace(self, stream=name, filter=self.filter and subjects.in_partition(self.filter, number))
            for number, name in enumerate(partitions(self.stream, settings))
        ]


DETECTOR: Final = Consumer(JOBS, "detector", subjects.DETECT)
DETECTOR_BULK: Final = Consumer(JOBS, "detector_bulk", subjects.BULK)
OCR: Final = Consumer(CROPS, "ocr", subjects.PLATE_CROPS)
ATTRIBUTES: Final = Consumer(CROPS, "attributes", subjects.VEHICLE_CROPS)
AGGREGATOR: Final = Consumer(PARTS, "aggregator")
FAN_OUT: Final = Consumer(RESULTS, "dispatcher", max_deliver=_DISPATCH_ATTEMPTS, max_ack_pending=1)
DEAD_LETTERS: Final = Consumer(ADVISORIES, "dead_letters", max_deliver=1_000)

CONSUMERS: Final = (DETECTOR, DETECTOR_BULK, OCR, ATTRIBUTES, AGGREGATOR, FAN_OUT, DEAD_LETTERS)

_HOOK_STREAMS: Final = (KV_HOOKS, KV_WATCHLISTS, HOOK_COUNTS, KV_HOOK_HEALTH, KV_IMAGES, DEAD)
REQUIRED: Final[Mapping[str, tuple[str | Consumer, ...]]] = {
    "gateway": (
        *(JOBS, RESULTS, USAGE, RATES, OUTCOMES, KV_REQUESTS, KV_TOKENS, KV_ZONES, KV_CROPS, KV_CAMERAS),
        KV_CORRECTIONS,
        *_HOOK_STREAMS,
    ),
    "detector": (DETECTOR, DETECTOR_BULK),
    "ocr": (OCR,),
    "attributes": (ATTRIBUTES,),
    "aggregator": (AGGREGATOR, DEAD_LETTERS),
    "reads": (RESULTS, KV_CORRECTIONS),
    "webhook_svc": (FAN_OUT, *_HOOK_STREAMS),
}
"""What each service needs to work. Consumers are created after all streams, so a consumer implies its streams."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version of the topology in the metadata of a stream or consumer."""

    number: int
    oldest_service: int

    @classmethod
    def of(cls, metadata: Mapping[str, str] | None) -> Version:
        """Version 1 if there is no such metadata."""
        metadata = metadata or {}
        return cls(int(metadata.get(_VERSION_KEY, 1)), int(metadata.get(_OLDEST_SERVICE_KEY, 1)))


def partitions(stream: str, settings: Settings) -> list[str]:
    """The names of a stream's partitions; a stream that is not partitioned is its only one."""
    number = settings.nats_partitions if stream in JOB_STREAMS else 1
    return [stream, *(f"{stream}_{each}" for each in range(1, number))]


def undivided(stream: str) -> str:
    """The name of the stream that this is a partition of; its own name if it is not a partition."""
    name, _, number = stream.partition("_")
    return name if name in JOB_STREAMS and re.fullmatch("[1-9][0-9]*", number) else stream


def partition_of(camera_id: str, job_id: str, settings: Settings) -> int:
    """The partition that a job belongs to: that of its camera, or any partition if it has none."""
    return zlib.crc32((camera_id or job_id).encode("utf-8", "surrogatepass")) % settings.nats_partitions


def streams(settings: Settings) -> list[StreamConfig]:
    """Every stream: durable data first, then work."""
    kept = [each.evolve(num_replicas=settings.nats_replicas) for each in _kept(settings)]
    work = [each.evolve(num_replicas=settings.work_replicas) for each in _work(settings)]
    return [each.evolve(storage=StorageType.FILE, metadata=_metadata()) for each in (*kept, *work)]


def consumers(settings: Settings) -> list[tuple[str, ConsumerConfig]]:
    """Every durable consumer, with its stream."""
    return [(each.stream, _durable(each, settings)) for consumer in CONSUMERS for each in consumer.partitions(settings)]


def _work(settings: Settings) -> list[StreamConfig]:
    """The streams of work.

    A queue refuses messages over its limit (the caller gets 503) instead of dropping the oldest. `max_age` removes work
    whose deadline has passed if no worker is left to drop it, and parts of jobs that never get all of their parts.
    """
    age = max(3 * settings.deadline, settings.async_deadline + settings.deadline)
    queue = StreamConfig(
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        max_age=age,
        duplicate_window=_window(age),
    )
    share = -(-settings.queue_limit // settings.nats_partitions)
    largest = max(2 * settings.upload_limit, _LEAST_ROOM)
    divided = [
        queue.evolve(
            name=JOBS,
            subjects=["platelane.jobs.*"],
            max_msgs=share,
            max_bytes=share * 2 * _MIB + largest,
        ),
        queue.evolve(
            name=CROPS,
            subjects=["platelane.crops.*"],
            max_msgs=2 * share,
            max_bytes=share * _MIB + _LEAST_ROOM,
        ),
        queue.evolve(
            name=PARTS,
            subjects=["platelane.parts.*.*"],
            retention=RetentionPolicy.LIMITS,
            max_bytes=256 * _MIB // settings.nats_partitions,
            max_msgs_per_subject=1,
            allow_direct=True,
        ),
    ]
    counters = StreamConfig(
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_msgs_per_subject=1,
        max_bytes=16 * _MIB,
        allow_direct=True,
        allow_msg_counter=True,
    )
    return [
        *(
            config.evolve(name=name, subjects=[subjects.in_partition(each, number) for each in config.subjects or ()])
            for config in divided
            for number, name in enumerate(partitions(str(config.name), settings))
        ),
        counters.evolve(
            name=HANDED_BACK,
            subjects=[subjects.handed_back("*", "*")],
            max_age=age,
            duplicate_window=_window(age),
        ),
        counters.evolve(
            name=RATES,
            subjects=["platelane.rate.*.*"],
            max_age=_MINUTE,
            duplicate_window=_MINUTE,
        ),
    ]


def _kept(settings: Settings) -> list[StreamConfig]:
    """The streams of durable data.

    When the server restarts, it reads known message ids from the stored messages, so counters keep their latest
    increments until they are rolled up.
    """
    result_age = settings.results_days * _DAY
    image_age, outcome_age = settings.image_hours * _HOUR, settings.outcome_hours * _HOUR
    kept = StreamConfig(
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_age=result_age,
        duplicate_window=_window(result_age),
        allow_direct=True,
    )
    bucket = kept.evolve(max_msgs_per_subject=1)
    counters = kept.evolve(
        max_age=None,
        duplicate_window=COUNT_WINDOW,
        max_msgs_per_subject=_MOST_INCREMENTS,
        allow_msg_counter=True,
    )
    return [
        kept.evolve(
            name=RESULTS,
            subjects=[subjects.ALL_RESULTS],
            max_bytes=settings.results_bytes,
            republish=RePublish(src=subjects.ALL_RESULTS, dest=subjects.STORED_RESULTS, headers_only=True),
        ),
        kept.evolve(name=DEAD, subjects=["platelane.dead.*"], max_bytes=256 * _MIB),
        counters.evolve(name=USAGE, subjects=[subjects.ALL_USAGE]),
        counters.evolve(name=HOOK_COUNTS, subjects=[subjects.hook_count("*", "*")]),
        bucket.evolve(
            name=KV_HOOKS,
            subjects=[subjects.entry(HOOKS, ">")],
            discard=DiscardPolicy.NEW,
            max_age=None,
            max_bytes=64 * _MIB,
            republish=_changes(HOOKS),
        ),
        bucket.evolve(
            name=KV_HOOK_HEALTH,
            subjects=["$KV.HOOK_HEALTH.>"],
            discard=DiscardPolicy.NEW,
            max_age=None,
            max_bytes=16 * _MIB,
        ),
        bucket.evolve(
            name=KV_IMAGES,
            subjects=["$KV.IMAGES.>"],
            max_age=image_age,
            duplicate_window=_window(image_age),
            max_bytes=settings.image_bytes,
        ),
        bucket.evolve(name=KV_CROPS, subjects=[subjects.crops("*")], max_bytes=settings.crops_bytes),
        bucket.evolve(name=KV_CAMERAS, subjects=["$KV.CAMERAS.*.*"], max_bytes=64 * _MIB),
        bucket.evolve(
            name=KV_CORRECTIONS,
            subjects=[subjects.entry(CORRECTIONS, "*.*")],
            discard=DiscardPolicy.NEW,
            max_bytes=64 * _MIB,
            republish=_changes(CORRECTIONS),
        ),
        bucket.evolve(
            name=OUTCOMES,
            subjects=[subjects.ALL_OUTCOMES],
            max_age=outcome_age,
            duplicate_window=_window(outcome_age),
            max_bytes=64 * _MIB,
            republish=RePublish(src=subjects.ALL_OUTCOMES, dest=subjects.STORED_OUTCOMES, headers_only=True),
        ),
        bucket.evolve(
            name=KV_REQUESTS,
            subjects=[subjects.entry(REQUESTS, ">")],
            max_age=outcome_age,
            duplicate_window=_window(outcome_age),
            max_bytes=16 * _MIB,
        ),
        _mirrored(TOKENS),
        _mirrored(ZONES),
        _mirrored(WATCHLISTS),
        StreamConfig(
            name=ADVISORIES,
            subjects=["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.OLD,
            max_bytes=16 * _MIB,
            max_age=_DAY,
            duplicate_window=2 * _MINUTE,
        ),
    ]


def _window(age: float) -> float:
    """Seconds within which a stream drops duplicates; a stream may not remember ids for longer than messages."""
    return min(2 * _MINUTE, age)


def _mirrored(bucket: str) -> StreamConfig:
    """A key-value bucket that republishes each change once it is stored: see `Mirror`."""
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
        republish=_changes(bucket),
    )


def _changes(bucket: str) -> RePublish:
    """Republishes what is stored in a bucket."""
    return RePublish(src=subjects.entry(bucket, ">"), dest=subjects.changed(bucket, ">"))


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
        metadata=_metadata(),
    )


def _metadata() -> dict[str, str]:
    return {_VERSION_KEY: str(VERSION), _OLDEST_SERVICE_KEY: str(OLDEST_SERVICE)}
