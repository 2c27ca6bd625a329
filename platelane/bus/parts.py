"""The parts of jobs that stages have left for the aggregator."""

from __future__ import annotations

import contextlib
from typing import Final

from nats.js.errors import APIError

from platelane.bus import subjects, topology
from platelane.bus.client import Bus
from platelane.bus.streams import Stream
from platelane.errors import EngineUnavailable
from platelane.pb.v1.stages_pb2 import JobContext

READ_PATIENCE: Final = 5.0
"""Seconds that reading the parts of a job may take."""
FORGET_PATIENCE: Final = 1.0
"""Seconds that removing them may take; remaining parts expire."""


class Parts:
    """The stream PARTS, by job."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def of(self, context: JobContext, at_hand: int = 0) -> dict[str, bytes]:
        """The stored parts of a job, by stage.

        They include the part with sequence `at_hand`, even if a replica that lags behind answers first.

        Raises:
            EngineUnavailable: NATS did not answer in `READ_PATIENCE` seconds.
        """
        needed = at_hand if self._bus.settings.work_replicas > 1 else 0
        stream, subject = self._partition(context, READ_PATIENCE)
        records, _ = await stream.last(subject, needed)
        return {subjects.stage_of(record.subject): record.data for record in records}

    async def forget(self, context: JobContext) -> None:
        """Remove the parts of a job. Parts that cannot be removed now will expire."""
        stream, subject = self._partition(context, FORGET_PATIENCE)
        with contextlib.suppress(APIError, EngineUnavailable):
            await stream.purge(filter=subject)

    def _partition(self, context: JobContext, patience: float) -> tuple[Stream, str]:
        """The stream that holds the parts of a job, and their subject there."""
        number = self._bus.partition_of(context)
        stream = self._bus.stream(topology.partitions(topology.PARTS, self._bus.settings)[number], patience)
        return stream, subjects.in_partition(subjects.parts(context.id), number)
