"""Removes old increments from streams of counters. A counter is a subject whose last message holds the sum.

The server remembers the ids of increments for `topology.COUNT_WINDOW` seconds; when it restarts, it reads them from the
stored messages. So increments are kept for that long.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from nats.errors import Error as NatsError

from platelane.bus import topology
from platelane.bus.streams import Stream
from platelane.errors import PlatelaneError

log = structlog.get_logger(__name__)

_EVERY: Final = 60.0


async def roll_up(stream: Stream, pattern: str = ">", before: float | None = None) -> int:
    """Remove all increments on matching subjects except the last; returns how many were removed.

    Only increments from before `before` (Unix seconds) are removed; by default, all that the server no longer needs.

    Several processes may do so at once.

    Raises:
        EngineUnavailable: NATS does not answer.
    """
    recent = await stream.first_since(time.time() - topology.COUNT_WINDOW if before is None else before)
    state = await stream.state(pattern)
    removed = 0
    for subject, messages in (state or {}).get("subjects", {}).items():
        last = await stream.get(subject) if messages > 1 else None
        if last:
            # the server removes messages before that sequence
            removed += await stream.purge(filter=subject, seq=min(last.sequence, recent or last.sequence))
    return removed


async def every_minute(work: Callable[[], Awaitable[int]], stop: asyncio.Event) -> None:
    """Call `work` every minute until `stop`; a failure is retried a minute later."""
    while not stop.is_set():
        try:
            if removed := await work():
                log.debug("counters_rolled_up", removed=removed)
        except (PlatelaneError, NatsError) as error:
            log.warning("counters_not_rolled_up", error=str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EVERY):
                await stop.wait()
