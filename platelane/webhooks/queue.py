"""Where a hook's events wait: a stream of its own, so that a receiver which is away takes room and time of no other.

Each camera belongs to one of `SHARES`; each of the hook's lanes, one request at a time, works on some of the shares.
That keeps the events of a camera in order across processes, failures included: an event that fails holds back its lane.
"""

from __future__ import annotations

import json
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from platelane.bus import Bus, subjects, topology
from platelane.bus.connection import Connection
from platelane.bus.streams import Record, Stream
from platelane.bus.topology import Consumer, ensure_stream
from platelane.errors import Overloaded
from platelane.hooks.hook import Hook
from platelane.pb.v1 import stages_pb2

SHARES: Final = 16
UNLIMITED: Final = 1_000_000_000
_PATIENCE: Final = 2.0
_DAY: Final = 86_400.0
BYTES: Final = 64 << 20
"""Room of one queue, which NATS keeps free for it: for 10,000 events of 1 to 5 kB. All hooks together: 12.5 GB."""
_PREFIX: Final = "HOOK_"


@dataclass(frozen=True, slots=True)
class Plan:
    """What of a hook its queue depends on."""

    hook_id: int
    generation: int
    concurrency: int
    max_queued: int

    @property
    def lanes(self) -> list[Consumer]:
        """The consumers, one for each request at a time."""
        return [
            Consumer(
                stream_name(self.hook_id),
                f"lane_{self.generation}_{self.concurrency}_{number}",
                max_deliver=UNLIMITED,
                max_ack_pending=1,
            )
            for number in range(self.concurrency)
        ]


class Queue:
    """The queue of one hook."""

    def __init__(self, bus: Bus, hook_id: int) -> None:
        self._bus = bus
        self._id = hook_id
        self._stream = Stream(bus, stream_name(hook_id))

    async def ensure(self, plan: Plan) -> None:
        """Make the stream what it should be.

        Raises:
            EngineUnavailable, nats.errors.Error: NATS does not do it now, or has no room for it.
        """
        settings = self._bus.settings
        await ensure_stream(
            self._bus.client.jsm(timeout=_PATIENCE),
            StreamConfig(
                name=self._stream.name,
                subjects=[subjects.delivery(self._id, "*")],
                retention=RetentionPolicy.WORK_QUEUE,
                storage=StorageType.FILE,
                discard=DiscardPolicy.NEW,
                max_msgs=plan.max_queued,
                max_bytes=BYTES,
                max_age=settings.results_days * _DAY,
                duplicate_window=min(120.0, settings.results_days * _DAY),
                num_replicas=settings.nats_replicas,
            ),
        )

    async def ensure_lanes(self, plan: Plan, *, alone: bool = True) -> None:
        """Make the consumers what they should be, and (`alone`) no others. Raises as `ensure`.

        Others may be of a plan that this process has not heard of yet; the server lets no event go to both.
        """
        manager = self._bus.client.jsm(timeout=_PATIENCE)
        wanted = {lane.name: _shares(plan, number) for number, lane in enumerate(plan.lanes)}
        for consumer in await manager.consumers_info(self._stream.name) if alone else ():
            if consumer.name not in wanted:
                with suppress(NotFoundError):
                    await manager.delete_consumer(self._stream.name, consumer.name)
        for name, shares in wanted.items():
            durable = ConsumerConfig(
                name=name,
                durable_name=name,
                filter_subjects=shares,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._bus.settings.ack_wait,
                max_deliver=UNLIMITED,
                max_ack_pending=1,
                max_waiting=512,
            )
            await manager.add_consumer(self._stream.name, durable)

    async def put(self, hook: Hook, result: stages_pb2.Result) -> int:
        """Queue a result, once; how many of the oldest events had to go for it.

        Raises:
            EngineUnavailable: NATS does not store it now, or there is no stream.
        """
        recognition = result.recognition
        share = zlib.crc32(recognition.camera_id.encode("utf-8", "surrogatepass")) % SHARES
        subject, delivery = subjects.delivery(self._id, str(share)), stages_pb2.Delivery(result=result)
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

    async def waiting(self) -> int:
        """Events that wait."""
        state = await self._stream.state()
        return int(state["messages"]) if state else 0

    async def delete(self) -> None:
        """Remove the queue with all that waits in it, and its dead letters."""
        await delete_stream(self._bus.connection, self._stream.name)
        await Stream(self._bus, topology.DEAD).purge(filter=subjects.dead(self._stream.name))

    async def dead_letters(self, start: int, limit: int) -> list[tuple[Record, stages_pb2.DeadLetter]]:
        """Up to `limit` events that were given up, the oldest first, from sequence `start` of the stream DEAD on."""
        subject = subjects.dead(self._stream.name)
        records = await Stream(self._bus, topology.DEAD).read(subject, start, limit)
        return [(record, stages_pb2.DeadLetter.FromString(record.data)) for record in records]

    async def replay(self, record: Record, letter: stages_pb2.DeadLetter) -> None:
        """Put an event that was given up at the end of the queue."""
        delivery = stages_pb2.Delivery.FromString(letter.data)
        await self._bus.publish(letter.subject, delivery, f"replay.{record.sequence}")
        with suppress(APIError):  # removed already
            await self._bus.connection.ask(
                f"$JS.API.STREAM.MSG.DELETE.{topology.DEAD}",
                json.dumps({"seq": record.sequence}).encode(),
                time.time() + self._bus.settings.deadline,
            )


def plan_of(hook: Hook, default_limit: int) -> Plan:
    """The plan for a hook's queue; `default_limit` where it names no limit of its own."""
    return Plan(hook.id, hook.generation, hook.concurrency, hook.max_queued or default_limit)


def stream_name(hook_id: int) -> str:
    """The stream of a hook."""
    return f"{_PREFIX}{hook_id}"


async def delete_forgotten(connection: Connection, known: set[int]) -> None:
    """Remove queues of hooks that are no more: who deleted the hook may not have lived to remove its queue."""
    request = json.dumps({"subject": subjects.delivery("*", "*")}).encode()
    answer = await connection.ask("$JS.API.STREAM.NAMES", request, time.time() + _PATIENCE)
    for name in answer.get("streams") or ():
        number = str(name).removeprefix(_PREFIX)
        if number.isdigit() and int(number) not in known:
            await delete_stream(connection, name)


async def delete_stream(connection: Connection, name: str) -> None:
    """Remove a stream, if there is one."""
    with suppress(NotFoundError):
        await connection.ask(f"$JS.API.STREAM.DELETE.{name}", b"", time.time() + _PATIENCE)


def _shares(plan: Plan, lane: int) -> list[str]:
    return [subjects.delivery(plan.hook_id, str(share)) for share in range(lane, SHARES, plan.concurrency)]
