"""The outcomes of photographs that arrive regardless of earlier answers: below the peak rate, above it, and together
with bulk work."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from tqdm import tqdm

from benchmarks import charts, load, memory, open_loop, results, stack
from benchmarks.load import Upload
from benchmarks.open_loop import Offered, Traffic, TrafficOutcome
from benchmarks.results import percentile
from platelane.local.state import State
from platelane.runtime.settings import Settings

LADDER: Final = (0.25, 0.5, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0)
"""Offered rates, relative to the peak."""
INTERACTIVE: Final = 0.5
BULK: Final = 1.0
"""Rates of interactive and bulk requests relative to the peak; together they exceed it."""
_BULK_HEADERS: Final = {"Prefer": "respond-async"}
_CALLERS: Final = (4, 8, 16)
"""Numbers of concurrent calls to find the peak with."""
_SETTLING: Final = 2.0
"""Initial seconds that do not count, because queues are filling."""
_DRAINING: Final = 120.0
_SAMPLE: Final = 5.0
"""Seconds between measurements of memory."""
_REFUSAL_AIM: Final = 100.0
"""Milliseconds."""
_PEAK_AIM: Final = 0.9
"""Target rate of answers above the peak, relative to the highest rate."""
_GROWTH_AIM: Final = 0.05
"""Target growth of the memory from the first third of the time to the last."""


@dataclass(frozen=True, slots=True)
class RatePoint:
    """The outcomes of requests at a rate; `lateness`: seconds by which the client sent them too late."""

    share: float
    outcome: TrafficOutcome
    lateness: Sequence[float]


@dataclass(frozen=True, slots=True)
class Mixture:
    """The outcomes of interactive requests, alone and with bulk ones; `read`: photographs of both read per second."""

    alone: TrafficOutcome
    beside: TrafficOutcome
    bulk: TrafficOutcome
    read: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes of the whole system over the seconds since the traffic began."""

    seconds: Sequence[float]
    megabytes: Sequence[float]

    @property
    def growth(self) -> float:
        """Relative growth from the median of the first third of the time to that of the last."""
        third = max(1, len(self.megabytes) // 3)
        before = statistics.median(self.megabytes[:third])
        return statistics.median(self.megabytes[-third:]) / before - 1


def main(photo: Path, seconds: float = 20.0, minutes: float = 1.0) -> None:
    """Measure and write the section of RESULTS.md: `seconds` at each rate, `minutes` of mixed traffic."""
    upload, deadline = Upload.of(photo.read_bytes()), Settings().deadline
    total = (len(LADDER) + 2) * seconds + 60 * minutes
    with stack.running() as state, tqdm(total=round(total), desc="load", unit="s") as progress:

        def offered(length: float, *kinds: Traffic) -> Offered:
            sent = asyncio.run(open_loop.offer(state.url, kinds, length, deadline))
            progress.update(round(length))
            return sent

        peak = _peak(state.url, upload, seconds)
        points = []
        for number, share in enumerate(LADDER):
            sent = offered(seconds, Traffic(upload, share * peak, seed=number))
            points.append(_rate_point(share, sent, deadline))
            _drain(state)
        interactive = Traffic(upload, INTERACTIVE * peak, seed=1)
        bulk = Traffic(upload, BULK * peak, _BULK_HEADERS, seed=2)
        alone = offered(seconds, interactive)
        _drain(state)
        before = _calls(state.url)
        beside = offered(seconds, interactive, bulk)
        read = (_calls(state.url) - before) / (time.monotonic() - beside.window.start)
        _drain(state)
        mixture = Mixture(
            _evaluated(alone, 0, deadline), _evaluated(beside, 0, deadline), _evaluated(beside, 1, deadline), read
        )
        held = asyncio.run(_sampled(state, (interactive, bulk), 60 * minutes, deadline)) if minutes else None
    results.record("Load (`python -m benchmarks load`)", report(photo.name, seconds, peak, points, mixture, held))


def _peak(url: str, upload: Upload, seconds: float) -> float:
    """The highest rate, in photographs per second, with callers that wait for their answers."""
    wall = load.send(url, upload, 5 * _CALLERS[-1], _CALLERS[-1]).wall
    calls = max(_CALLERS[-1], round(seconds / 4 * 1000 / wall))
    return max(1000 / load.send(url, upload, calls, callers).wall for callers in _CALLERS)


def _rate_point(share: float, sent: Offered, deadline: float) -> RatePoint:
    return RatePoint(share, _evaluated(sent, 0, deadline), sent.lateness)


def _evaluated(sent: Offered, kind: int, deadline: float) -> TrafficOutcome:
    settling = min(_SETTLING, sent.window.seconds / 4)
    return open_loop.evaluate(sent.attempts[kind], sent.window.after(settling), deadline)


def _drain(state: State) -> None:
    """Wait until nothing is in progress."""
    end = time.monotonic() + _DRAINING
    while asyncio.run(stack.under_way(state)) and time.monotonic() < end:
        time.sleep(0.2)


def _calls(url: str) -> int:
    """Photographs read so far."""
    answer = httpx.get(f"{url}/v1/statistics/", trust_env=False, timeout=30).raise_for_status()
    return int(answer.json()["usage"]["calls"])


async def _sampled(state: State, kinds: Sequence[Traffic], seconds: float, deadline: float) -> Memory:
    """The memory during `seconds` of such traffic."""
    start, moments, megabytes = time.monotonic(), [], []
    sending = asyncio.create_task(open_loop.offer(state.url, kinds, seconds, deadline))
    with tqdm(total=round(seconds), desc="memory", unit="s") as progress:
        while time.monotonic() < start + seconds and not sending.done():
            await asyncio.wait({sending}, timeout=_SAMPLE)
            resident = await asyncio.to_thread(memory.resident, state)
            moments.append(time.monotonic() - start)
            megabytes.append(sum(resident.values()))
            progress.update(round(moments[-1]) - progress.n)
    await sending
    return Memory(moments, megabytes)


def report(
    photo: str, seconds: float, peak: float, points: Sequence[RatePoint], mixture: Mixture, held: Memory | None
) -> str:
    """The measurements as Markdown; also draws its charts."""
    rates = [point.outcome.offered for point in points]
    best = max(point.outcome.answered for point in points)
    beyond = [point for point in points if point.share > 1]
    late = percentile([each * 1000 for point in points for each in point.lateness], 0.99) or 0.0
    picture = charts.lines(
        "load",
        "photographs offered a second",
        rates,
        {
            "milliseconds": {
                "answered, p50": _percentiles(points, "latencies", 0.5),
                "answered, p95": _percentiles(points, "latencies", 0.95),
                "answered, p99": _percentiles(points, "latencies", 0.99),
                "refused, p99": _percentiles(points, "refusals", 0.99),
            },
            "a second": {
                "answered": [point.outcome.answered for point in points],
                "refused at once": [point.outcome.a_second(len(point.outcome.refusals)) for point in points],
                "too late": [point.outcome.a_second(point.outcome.too_late) for point in points],
            },
        },
        logarithmic=True,
        at=peak,
    )
    parts = [
        f"{photo}, regular mode. Photographs arrive at random moments (Poisson), for {seconds:g} s at each rate; each "
        "is sent when it is due, whether or not earlier ones have been answered. Times are milliseconds from that "
        f"moment and include the client, which sent 99 % of the requests at most {late:.0f} ms late. The peak (dotted) "
        f"is what {', '.join(map(str, _CALLERS[:-1]))} or {_CALLERS[-1]} callers get who each wait for an answer "
        f"before sending again: **{peak:.1f} photographs a second**. *Refused*: 429 or 503 at once. *Too late*: 503 at "
        "the deadline of 9 s, or no answer.",
        picture,
        results.table(_HEADER, [_row(point) for point in points]),
        _verdict(best, beyond),
        _mixture(mixture),
        *([_memory(held)] if held else []),
    ]
    return "\n\n".join(parts)


_HEADER: Final = (
    "offered, of the peak", "offered/s", "answered/s (lowest to highest fifth of the time)", "answered: p50", "p95",
    "p99", "refused/s, by status", "refused: p50", "p99", "too late", "without `Retry-After`", "other statuses",
)  # fmt: skip


def _row(point: RatePoint) -> list[str]:
    outcome = point.outcome
    refused = (f"{status}: {outcome.a_second(number):.1f}" for status, number in sorted(outcome.refused.items()))
    return [
        f"{point.share:g}",
        f"{outcome.offered:.1f}",
        _rate(outcome),
        *_cells(outcome.latencies, 0.5, 0.95, 0.99),
        ", ".join(refused),
        *_cells(outcome.refusals, 0.5, 0.99),
        *map(str, (outcome.too_late, outcome.rude, outcome.odd)),
    ]


def _verdict(best: float, beyond: Sequence[RatePoint]) -> str:
    least = min(point.outcome.answered for point in beyond)
    refusals = [each for point in beyond for each in point.outcome.refusals]
    slowest = percentile(refusals, 0.99)
    said = f"99 % of {len(refusals)} refusals came within **{slowest:.0f} ms**" if slowest else "nothing was refused"
    too_late = sum(point.outcome.too_late for point in beyond)
    return (
        f"Above the peak, at least **{least:.1f} photographs a second** were answered, {least / best:.0%} of the "
        f"highest rate measured (aim: {_PEAK_AIM:.0%}); {said} (aim: {_REFUSAL_AIM:g} ms); {too_late} answers came too "
        "late."
    )


def _mixture(mixture: Mixture) -> str:
    rows = [
        [name, f"{outcome.offered:.1f}", _rate(outcome), *_cells(outcome.latencies, 0.5, 0.95, 0.99), _refused(outcome)]
        for name, outcome in (
            ("interactive, alone", mixture.alone),
            ("interactive, with bulk", mixture.beside),
            ("bulk", mixture.bulk),
        )
    ]
    header = ["requests", "offered/s", "200 or 202/s (fifths)", "p50", "p95", "p99", "refused, too late"]
    return (
        f"**Interactive and bulk requests.** Callers who wait send photographs at {INTERACTIVE:g} of the peak, first "
        "alone, then while bulk requests (`Prefer: respond-async`, answered with 202) arrive as well, at "
        f"{BULK:g} of the peak. With both, the system read {mixture.read:.1f} photographs a second.\n\n"
        + results.table(header, rows)
    )


def _memory(held: Memory) -> str:
    picture = charts.lines(
        "load_memory", "minutes", [each / 60 for each in held.seconds], {"megabytes": {"whole system": held.megabytes}}
    )
    first, last = held.megabytes[0], held.megabytes[-1]
    return (
        f"**Memory** of all processes (proportional set size) during {held.seconds[-1] / 60:.0f} minutes of this mixed "
        f"traffic: {first:.0f} MB at the start, {last:.0f} MB at the end, {max(held.megabytes):.0f} MB at most. From "
        f"the first third of the time to the last, the median changed by **{held.growth:+.1%}** (aim: at most "
        f"{_GROWTH_AIM:+.0%}).\n\n{picture}"
    )


def _rate(outcome: TrafficOutcome) -> str:
    return f"{outcome.answered:.1f} ({min(outcome.rates):.1f} to {max(outcome.rates):.1f})"


def _refused(outcome: TrafficOutcome) -> str:
    return f"{len(outcome.refusals)}, {outcome.too_late}"


def _cells(values: Sequence[float], *shares: float) -> list[str]:
    found = [percentile(values, share) for share in shares]
    return ["" if each is None else f"{each:.0f}" for each in found]


def _percentiles(points: Sequence[RatePoint], of: str, share: float) -> list[float | None]:
    return [percentile(getattr(point.outcome, of), share) for point in points]
