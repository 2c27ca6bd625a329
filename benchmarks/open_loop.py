"""Sends requests when they are due, regardless of earlier answers, and evaluates their outcomes."""

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
"""Share of the deadline: a later refusal means that the request waited in vain."""
_SLICES: Final = 5
"""Number of parts of the time, to show how much rates vary."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests of one kind, at random times: `rate` per second on average."""

    upload: Upload
    rate: float
    headers: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A period of time, in monotonic seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end

    def after(self, settling: float) -> Window:
        """The window without its first `settling` seconds."""
        return Window(self.start + settling, self.end)


@dataclass(frozen=True, slots=True)
class Offered:
    """What was sent: the attempts of each kind, with `sent` being when they were due; and by how much each was late."""

    attempts: Sequence[Sequence[Attempt]]
    window: Window
    lateness: Sequence[float]


async def offer(url: str, kinds: Sequence[Traffic], seconds: float, deadline: float) -> Offered:
    """Send for `seconds`, and wait for all answers, which the server gives within `deadline` seconds."""
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
    """The status, and whether there is a `Retry-After`. Uses a new connection, so that no request waits for another."""
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
class TrafficOutcome:
    """The outcomes of requests of one kind in a window of `seconds`: numbers of those `due` in it, and sorted times
    since they were due, in ms.

    `rates`: answers with 200 or 202 per second, in equal parts of the window. `refused`: immediate refusals by status;
    `refusals`: their times. `too_late`: refused at the deadline, or given up by the client. `rude`: 429 and 503 without
    `Retry-After`. `odd`: other statuses.
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
        """Requests per second."""
        return self.a_second(self.due)

    def a_second(self, number: int) -> float:
        """`number` as a rate per second."""
        return number / self.seconds

    @property
    def answered(self) -> float:
        """Answers per second."""
        return sum(self.rates) / len(self.rates)


def evaluate(attempts: Sequence[Attempt], window: Window, deadline: float) -> TrafficOutcome:
    """Evaluate the attempts that were due or answered in the window."""

    def is_late(each: Attempt) -> bool:
        return each.status in (503, BROKEN) and each.seconds > _LATE * deadline

    due = [each for each in attempts if each.sent in window]
    in_time = [each for each in due if not is_late(each)]
    refused = [each for each in in_time if each.status in REFUSALS]
    served = [each for each in attempts if each.status in (OK, ACCEPTED) and each.ended in window]
    part = window.seconds / _SLICES
    parts = Counter(min(_SLICES - 1, int((each.ended - window.start) / part)) for each in served)
    fine = {OK, ACCEPTED, *REFUSALS}
    return TrafficOutcome(
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
