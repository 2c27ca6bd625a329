"""The queue of a hook's events: one stream per hook, so that a receiver that is down takes no room and time of others.

By default, an event whose first request fails moves to the retry queue and delays no other. Ordered hooks instead have
one consumer per concurrent request, each for some of the `SHARES` that cameras are split into; there, a failing event
delays those behind it, across all processes.
"""

from __future__ import annotations

import json
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from platelane.bus import Bus, subjects, topology
from platelane.bus.apply import ensure_stream
from platelane.bus.connection import Connection
from platelane.bus.streams import Record
from platelane.bus.topology import Consumer
from platelane.errors import EngineUnavailable, Overloaded
from platelane.pb.v1 import stages_pb2
from platelane.webhooks.hook import Hook

SHARES: Final = 16
UNLIMITED: Final = 1_000_000_000
_PATIENCE: Final = 2.0
_DAY: Final = 86_400.0
BYTES: Final = 64 << 20
"""Bytes that NATS reserves for one queue: enough for 10,000 events of 1 to 5 kB. 200 hooks together: 12.5 GB."""
BYTES_OF_TOKEN: Final = 16 << 20
"""`BYTES` for a hook of a token, so that the hooks of one token leave room for those of others."""
_PREFIX: Final = "HOOK_"


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The properties of a hook that determine its queue."""

    hook_id: int
    generation: int
    concurrency: int
    max_queued: int

    ordered: bool = False
    max_bytes: int = BYTES

    @property
    def consumers(self) -> list[QueueConsumer]:
        """The consumers that the hook's workers pull from; no event is in two of them."""
        stream = stream_name(self.hook_id)
        # events waiting for their next attempt count as pending; a hook that has become ordered may still have some
        retry = Consumer(stream, f"retry_{self.generation}", max_deliver=UNLIMITED, max_ack_pending=UNLIMITED)
        firsts = self._in_order(stream) if self.ordered else [self._at_once(stream)]
        return [*firsts, QueueConsumer(retry, (subjects.delivery(self.hook_id, subjects.RETRY),))]

    def _at_once(self, stream: str) -> QueueConsumer:
        name = f"first_{self.generation}_{self.concurrency}"
        first = Consumer(stream, name, max_deliver=UNLIMITED, max_ack_pending=self.concurrency)
        return QueueConsumer(first, self._subjects(range(SHARES)), self.concurrency)

    def _in_order(self, stream: str) -> list[QueueConsumer]:
        return [
            QueueConsumer(
                Consumer(
                    stream,
                    f"lane_{self.generation}_{self.concurrency}_{number}",
                    max_deliver=UNLIMITED,
                    max_ack_pending=1,
                ),
                self._subjects(range(number, SHARES, self.concurrency)),
            )
            for number in range(self.concurrency)
        ]

    def _subjects(self, shares: range) -> tuple[str, ...]:
        return tuple(subjects.delivery(self.hook_id, str(share)) for share in shares)


@dataclass(frozen=True, slots=True)
class QueueConsumer:
    """A consumer of a hook's queue, the subjects it gets, and how many workers a process has for it."""

    consumer: Consumer
    subjects: tuple[str, ...]
    workers: int = 1


class Queue:
    """The queue of one hook."""

    def __init__(self, bus: Bus, hook_id: int) -> None:
        self._bus = bus
        self._id = hook_id
        self._stream = bus.stream(stream_name(hook_id))

    async def ensure(self, plan: QueuePlan) -> None:
        """Create or update the stream.

        Raises:
            EngineUnavailable, nats.errors.Error: NATS cannot do so now, or has no room for it.
        """
        settings = self._bus.settings
        config = StreamConfig(
            name=self._stream.name,
            subjects=[subjects.delivery(self._id, "*")],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msgs=plan.max_queued,
            max_bytes=plan.max_bytes,
            max_age=settings.results_days * _DAY,
            duplicate_window=min(120.0, settings.results_days * _DAY),
            num_replicas=settings.nats_replicas,
        )
        try:
            await ensure_stream(self._bus.connection, config)
        except TimeoutError as error:
            raise EngineUnavailable("NATS did not answer in time") from error

    async def ensure_consumers(self, plan: QueuePlan, *, alone: bool = True) -> None:
        """Create or update the consumers, and with `alone` delete all others. Raises as `ensure`.

        Other consumers may belong to a plan that this process does not know yet; the server gives no event to both.
        """
        manager = self._bus.client.jsm(timeout=_PATIENCE)
        wanted = {each.consumer.name for each in plan.consumers}
        for there in await manager.consumers_info(self._stream.name) if alone else ():
            if there.name not in wanted:
                with suppress(NotFoundError):
                    await manager.delete_consumer(self._stream.name, there.name)
        for each in plan.consumers:
            durable = ConsumerConfig(
                name=each.consumer.name,
                durable_name=each.consumer.name,
                filter_subjects=list(each.subjects),
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._bus.settings.ack_wait,
                max_deliver=UNLIMITED,
                max_ack_pending=each.consumer.max_ack_pending,
                max_waiting=512,
            )
            await manager.add_consumer(self._stream.name, durable)

    async def put(self, hook: Hook, result: stages_pb2.Result) -> int:
        """Queue a result once; returns how many of the oldest events were dropped to make room.

        Raises:
            EngineUnavailable: NATS cannot store it now, or there is no stream.
        """
        recognition = result.recognition
        share = zlib.crc32(recognition.camera_id.encode("utf-8", "surrogatepass")) % SHARES
        subject, delivery = (
            subjects.delivery(self._id, str(share)),
            stages_pb2.Delivery(result=result, queued_us=time.time_ns() // 1000),
        )
        dropped = 0
        while True:
            try:
                await self._bus.publish(subject, delivery, hook.key(recognition.id), time.time() + _PATIENCE)
            except Overloaded:
                waiting = await self.waiting()
                if not waiting:
                    raise
                # a hundredth at a time, so that a full queue does not cost a purge for each event
                dropped += await self._stream.purge(keep=waiting - 1 - waiting // 100)
            else:
                return dropped

    async def retry(self, key: str, delivery: stages_pb2.Delivery, sequence: int, pause: float) -> int:
        """Move an event to the retry queue, due in `pause` seconds; `sequence` is its number in the stream.

        Acknowledge its original message afterwards. An event that has been dropped meanwhile stays dropped. If the
        stream is full, other events are dropped to make room, oldest failed ones first; returns how many.

        Raises:
            EngineUnavailable: NATS cannot store it now.
            Overloaded: the machine has no room.
        """
        state = await self._stream.state()
        if state and state["first_seq"] > sequence:
            return 0
        later = stages_pb2.Delivery(
            result=delivery.result,
            queued_us=delivery.queued_us,
            sequence=sequence,
            due_us=round((time.time() + pause) * 1e6),
        )
        subject = subjects.delivery(self._id, subjects.RETRY)
        dropped = 0
        while True:
            try:
                await self._bus.publish(subject, later, f"{key}.retry.{sequence}", time.time() + _PATIENCE)
            except Overloaded:
                state = await self._stream.state(subject)
                if not state or not state["messages"]:
                    raise
                if failed := (state.get("subjects") or {}).get(subject, 0):
                    dropped += await self._stream.purge(filter=subject, keep=failed - 1)
                else:
                    await self._stream.purge(keep=state["messages"] - 1)
                    dropped += state["first_seq"] != sequence  # otherwise it was this event itself
            else:
                return dropped

    async def waiting(self) -> int:
        """The number of waiting events."""
        state = await self._stream.state()
        return int(state["messages"]) if state else 0

    async def delete(self) -> None:
        """Delete the queue with its events and dead letters."""
        await delete_stream(self._bus.connection, self._stream.name)
        await self._bus.stream(topology.DEAD).purge(filter=subjects.dead(self._stream.name))

    async def dead_letters(self, start: int, limit: int) -> list[tuple[Record, stages_pb2.DeadLetter]]:
        """Up to `limit` events that were given up, oldest first, starting at sequence `start` of the stream DEAD."""
        subject = subjects.dead(self._stream.name)
        records = await self._bus.stream(topology.DEAD).read(subject, start, limit)
        return [(record, stages_pb2.DeadLetter.FromString(record.data)) for record in records]

    async def replay(self, record: Record, letter: stages_pb2.DeadLetter) -> None:
        """Put an event that was given up at the end of the queue."""
        delivery = stages_pb2.Delivery.FromString(letter.data)
        await self._bus.publish(letter.subject, delivery, f"replay.{record.sequence}")
        await self._bus.stream(topology.DEAD).delete(record.sequence)


def plan_of(hook: Hook, default_limit: int) -> QueuePlan:
    """The plan for a hook's queue; `default_limit` applies if the hook has no limit of its own."""
    most = hook.max_queued or default_limit
    room = BYTES_OF_TOKEN if hook.belongs_to_token else BYTES
    return QueuePlan(hook.id, hook.generation, hook.concurrency, most, hook.ordered, room)


def hook_of_stream(name: str) -> int | None:
    """The id of the hook whose queue this stream is; None for any other stream."""
    number = name.removeprefix(_PREFIX)
    return int(number) if name.startswith(_PREFIX) and number.isdigit() else None


def stream_name(hook_id: int) -> str:
    """The stream of a hook."""
    return f"{_PREFIX}{hook_id}"


async def delete_forgotten(connection: Connection, known: set[int]) -> None:
    """Delete queues of deleted hooks: a process that deleted a hook may have died before it deleted the queue."""
    request = json.dumps({"subject": subjects.delivery("*", "*")}).encode()
    answer = await connection.ask("$JS.API.STREAM.NAMES", request, time.time() + _PATIENCE)
    for name in answer.get("streams") or ():
        hook_id = hook_of_stream(name)
        if hook_id is not None and hook_id not in known:
            await delete_stream(connection, name)


async def delete_stream(connection: Connection, name: str) -> None:
    """Delete a stream if it exists."""
    with suppress(NotFoundError):
        await connection.ask(f"$JS.API.STREAM.DELETE.{name}", b"", time.time() + _PATIENCE)
