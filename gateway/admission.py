"""Admission control: which photographs this process works on at once, and how many of them one client may have."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import structlog

from gateway.concurrency_limit import ConcurrencyLimit, Timing
from gateway.intake.photograph import Photograph
from platelane.errors import DeadlineExceeded, Overloaded
from platelane.runtime import metrics

T = TypeVar("T")
log = structlog.get_logger(__name__)

_SHARE: Final = 3 / 4
"""The share of the places that one client may take."""
_PIXELS: Final = 6_000_000
"""Pixels of a photograph that takes one place; larger ones take proportionally more, because they take longer."""
_LARGEST: Final = 1 / 4
"""The share of the places that must be free for the largest photographs, even if they then take more."""


class Admission:
    """Counts the places that photographs take, by client."""

    def __init__(self, most: int, deadline: float) -> None:
        """`most`: places at most; there are fewer while answers take longer than half of `deadline` (seconds)."""
        self._limit = ConcurrencyLimit(most, deadline)
        self._places: Counter[str] = Counter()
        """The taken places by client."""
        self._left: dict[str, tuple[str, Timing]] = {}
        """Jobs whose callers have disconnected, with their clients; each keeps its places until it ends."""
        self._abandoned: set[asyncio.Task[Any]] = set()
        """Other work whose callers have disconnected; each keeps a place until it is done."""

    @contextmanager
    def admitted(self, client: str, photograph: Photograph) -> Iterator[None]:
        """Hold a photograph's places in this process, from its arrival until it is answered.

        Raises:
            Overloaded: as `check`.
        """
        places = places_of(photograph)
        del photograph
        self.check(client, places)
        with metrics.working("gateway"):
            self._take_places(client, places)
            try:
                yield
            finally:
                self._take_places(client, -places)

    def check(self, client: str = "", places: int = 1) -> None:
        """Raises Overloaded if there are not enough free places, or `client` would exceed its share of them.

        The number of places is what can be answered in time, up to the limit in the settings. A large photograph may
        need more places than there are: it is admitted if a quarter of them are free.
        """
        most = self._limit.places
        places = min(places, max(1, round(most * _LARGEST)))
        if self._in_progress + places > most:
            raise _refused("The server is busy: it is already working on as many images as it can.")
        if client and self._places[client] + places > max(1, round(most * _SHARE)):
            raise _refused("The server is busy: this client already has as many images in progress as it may have.")

    def timing(self, photograph: Photograph) -> Timing:
        """Start timing the answer to a photograph that has its places; the limit on places adapts to these times."""
        return self._limit.timing(self._in_progress, places_of(photograph))

    def leave(self, job_id: str, client: str, timing: Timing, deadline: float) -> None:
        """The caller has disconnected; the job keeps its places until it ends, at the latest at its deadline."""
        self._left[job_id] = client, timing
        self._take_places(client, timing.own)
        asyncio.get_running_loop().call_later(max(0.0, deadline - time.time()), self.end, job_id, Timing.too_late)

    def end(self, job_id: str, learn: Callable[[Timing], None]) -> bool:
        """Free the places of a job that has ended, if its caller has disconnected; whether it had."""
        if job_id not in self._left:
            return False
        client, timing = self._left.pop(job_id)
        self._take_places(client, -timing.own)
        learn(timing)
        return True

    async def finish(self, work: Coroutine[Any, Any, T], patience: float) -> T:
        """The result of work that continues even if its caller disconnects, and then keeps a place until it is done.

        Raises:
            DeadlineExceeded: it takes longer than `patience` seconds; it continues in the background.
        """
        working = asyncio.create_task(work)
        working.add_done_callback(self._finished)
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(working)
        except TimeoutError:
            raise DeadlineExceeded("NATS did not accept the photograph in time.") from None
        finally:
            if not working.done():
                self._abandoned.add(working)

    @property
    def _in_progress(self) -> int:
        """The number of taken places."""
        return self._places.total() + len(self._abandoned)

    def _take_places(self, client: str, number: int) -> None:
        self._places[client] += number
        if not self._places[client]:
            del self._places[client]

    def _finished(self, working: asyncio.Task[Any]) -> None:
        error = None if working.cancelled() else working.exception()
        if error and working in self._abandoned:
            log.warning("job_not_sent", error=str(error) or type(error).__name__)
        self._abandoned.discard(working)


def places_of(photograph: Photograph) -> int:
    """How many places a photograph takes, by its pixels."""
    return max(1, -(-photograph.pixels // _PIXELS))


def _refused(reason: str) -> Overloaded:
    """The error to raise; it is counted in the metrics."""
    metrics.ERRORS.labels("gateway", Overloaded.__name__).inc()
    return Overloaded(reason)
