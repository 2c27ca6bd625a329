"""Stored outcomes of jobs, which can be asked for later from any gateway."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from nats.aio.msg import Msg

from platelane.bus import Bus, subjects, topology
from platelane.pb.v1 import stages_pb2

_RECHECK: Final = 1.0
"""Seconds after which the stream is checked anyway, because the announcement of an outcome may be lost."""

_LAST_LOOK: Final = 1.0
"""Seconds that the final check may take, which is made at the deadline."""

_LAST_SEQUENCE: Final = "Nats-Last-Sequence"
"""Header with the number of the message that was on a subject before the one that is announced."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """A caller that waits for a job's outcome."""

    job_id: str
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Outcomes:
    """The stream OUTCOMES. Stages reply to its subjects as to a gateway's inbox, so no gateway has to stay up."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._stream = bus.stream(topology.OUTCOMES)
        self._waiting: set[_Waiting] = set()
        self._listeners: list[Callable[[str], None]] = []

    def on_end(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the id of each job that ends. A message that is lost is not repeated."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Listen for announcements. Call it before the first use."""
        await self._bus.client.subscribe(subjects.STORED_OUTCOMES, cb=self._on_stored)

    async def expect(self, account: str, job_id: str) -> None:
        """Note that a job is under way.

        Raises:
            Overloaded, EngineUnavailable: the note was not stored.
        """
        pending = stages_pb2.Reply(job_id=job_id)
        await self._stream.put(subjects.outcome(account, job_id), pending.SerializeToString())

    async def forget(self, account: str, job_id: str) -> None:
        """Remove the note of a job that has not begun. Raises EngineUnavailable."""
        await self._stream.purge(filter=subjects.outcome(account, job_id))

    async def of(self, account: str | None, job_id: str) -> stages_pb2.Reply | None:
        """The reply of a job, without an outcome while it is under way; None if the job is unknown.

        `account`: only jobs of this account; None for all.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        record = await self._stream.get(subjects.outcome(account, job_id))
        return stages_pb2.Reply.FromString(record.data) if record else None

    async def wait(self, account: str, job_id: str, deadline: float) -> stages_pb2.Reply | None:
        """The reply of a job; None if there is none until `deadline` (unix seconds). Raises as `of`."""
        end = time.monotonic() + deadline - time.time()  # a clock that jumps meanwhile changes nothing
        waiting = _Waiting(job_id)
        self._waiting.add(waiting)
        try:
            while True:
                waiting.news.clear()
                left = end - time.monotonic()
                try:
                    async with asyncio.timeout(max(_LAST_LOOK, left)):
                        reply = await self.of(account, job_id)
                except TimeoutError:
                    return None
                if reply and reply.WhichOneof("outcome"):
                    return reply
                if left <= 0:
                    return None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(_RECHECK, left)):
                        await waiting.news.wait()
        finally:
            self._waiting.discard(waiting)

    async def _on_stored(self, message: Msg) -> None:
        job_id = message.subject.rpartition(".")[2]
        if (message.headers or {}).get(_LAST_SEQUENCE, "0") != "0":  # the first message says that the job is pending
            for listener in self._listeners:
                listener(job_id)
        for waiting in self._waiting:
            if waiting.job_id == job_id:
                waiting.news.set()
