"""Requests that are sent when they are due, whether or not those before them have been answered, and how they fared."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpcore
import httpx

from benchmarks import arrivals
from benchmarks.attempts import ACCEPTED, BROKEN, OK, REFUSALS, Attempt
from benchmarks.load import PATH, Upload

_MARGIN: Final = 2.0
"""Seconds that an answer may take beyond the server's deadline before the client gives up."""
_TROUBLE: Final = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)
_LATE: Final = 0.9
"""Of the deadline: what is refused later than that has waited for an answer in vain."""
_SLICES: Final = 5
"""Parts of the time, by which it is seen how much a rate varies."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one kind: `rate` a second on average, at random moments."""

    upload: Upload
    rate: float
    headers: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which requests came, seconds of the monotonic clock."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end

    def after(self, settling: float) -> Window:
        """Without its first `settling` seconds."""
        return Window(self.start + settling, self.end)


@dataclass(frozen=True, slots=True)
class Offered:
    """What was sent: the attempts of each kind, `sent` when they were due; and how late each left the client."""

    attempts: Sequence[Sequence[Attempt]]
    window: Window
    lateness: Sequence[float]


async def offer(url: str, kinds: Sequence[Traffic], seconds: float, deadline: float) -> Offered:
    """Send for so many seconds, and wait for all answers, which the server gives within `deadline` seconds each."""
    lateness: list[float] = []

    async def attempt(traffic: Traffic, due: float) -> Attempt:
        lateness.append(time.monotonic() - due)
        try:
            async with asyncio.timeout(deadline + _MARGIN):
                status, says_when = await _posted(f"{url}{PATH}", traffic)
        except (TimeoutError, *_TROUBLE):
            status, says_when = BROKEN, False
        return Attempt(due, time.monotonic() - due, status, says_when)

    async def sending(traffic: Traffic) -> list[Attempt]:
        gaps = arrivals.poisson(traffic.rate, traffic.seed)
        tasks = [asyncio.create_task(attempt(traffic, due)) async for due in arrivals.due(gaps, seconds)]
        return await asyncio.gather(*tasks)

    start = time.monotonic()
    attempts = await asyncio.gather(*map(sending, kinds))
    return Offered(attempts, Window(start, start + seconds), lateness)


async def _posted(url: str, traffic: Traffic) -> tuple[int, bool]:
    """The status, and whether there is a `Retry-After`. On a connection of its own: no request waits for another."""
    headers = [
        ("Host", httpx.URL(url).netloc.decode()),
        ("Content-Length", str(len(traffic.upload.body))),
        ("Connection", "close"),
        *traffic.upload.headers.items(),
        *traffic.headers.items(),
    ]
    request = httpcore.Request("POST", url, headers=headers, content=traffic.upload.body)
    async with httpcore.AsyncHTTPConnection(request.url.origin) as connection:
        answer = await connection.handle_async_request(request)
        await answer.aread()
        return answer.status, any(name.lower() == b"retry-after" for name, _ in answer.headers)


@dataclass(frozen=True, slots=True)
class Fared:
    """How requests of one kind fared in a window of so many `seconds`: numbers of those that were `due` in it, and
    milliseconds from when they were, each from the shortest to the longest.

    `rates`: 200 or 202 a second, by when they were answered, in equal parts of the window. `refused`: by status, at
    once; `refusals`: how long that took. `too_late`: refused at the deadline, or given up by the client. `rude`: 429
    and 503 without `Retry-After`. `odd`: with another status.
    """

    seconds: float
    due: int
    rates: Sequence[float]
    latencies: Sequence[float]
    refused: Mapping[int, int]
    refusals: Sequence[float]
    too_late: int
    rude: int
    odd: int

    @property
    def offered(self) -> float:
        """A second."""
        return self.a_second(self.due)

    def a_second(self, number: int) -> float:
        """The rate of so many requests."""
        return number / self.seconds

    @property
    def answered(self) -> float:
        """A second, by when they were answered."""
        return sum(self.rates) / len(self.rates)


def fared(attempts: Sequence[Attempt], window: Window, deadline: float) -> Fared:
    """How those attempts fared that were due in the window, or answered in it."""

    def is_late(each: Attempt) -> bool:
        return each.status in (503, BROKEN) and each.seconds > _LATE * deadline

    due = [each for each in attempts if each.sent in window]
    in_time = [each for each in due if not is_late(each)]
    refused = [each for each in in_time if each.status in REFUSALS]
    served = [each for each in attempts if each.status in (OK, ACCEPTED) and each.ended in window]
    part = window.seconds / _SLICES
    parts = Counter(min(_SLICES - 1, int((each.ended - window.start) / part)) for each in served)
    fine = {OK, ACCEPTED, *REFUSALS}
    return Fared(
        seconds=window.seconds,
        due=len(due),
        rates=[parts[number] / part for number in range(_SLICES)],
        latencies=sorted(each.seconds * 1000 for each in due if each.status in (OK, ACCEPTED)),
        refused=Counter(each.status for each in refused),
        refusals=sorted(each.seconds * 1000 for each in refused),
        too_late=len(due) - len(in_time),
        rude=sum(each.status in (429, 503) and not each.says_when for each in due),
        odd=sum(each.status not in fine for each in in_time),
    )
