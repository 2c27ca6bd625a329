"""Compares the system with bare processes, one per core, that read without services: how close it is to the limit of
the machine, and where the time goes."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from tqdm import tqdm

from benchmarks import bare_process, load, results, stack
from benchmarks.bare_process import BareProcess
from benchmarks.load import CALLERS, Upload
from platelane.local.state import State

AIMS: Final = {"regular": 1.6, "fast": 1.8}
"""Target ratio of the wall times of the system and the bare processes, with all cores busy."""
AIM_ALONE: Final = 6.0
"""Milliseconds that a single request may take longer than in a bare process."""
CLIENT: Final = "client"
SETTLING: Final = 0.5
"""Seconds for the system to finish work after its last answer."""


@dataclass(slots=True)
class Rounds:
    """Milliseconds per photograph, one entry per round: wall time, and processor time by process."""

    wall: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    @property
    def charged(self) -> list[float]:
        """Processor time of all processes except the client."""
        return [sum(each.values()) - each.get(CLIENT, 0.0) for each in self.cpu]

    def of(self, process: str) -> list[float]:
        return [each.get(process, 0.0) for each in self.cpu]


@dataclass(slots=True)
class Measured:
    """One mode: all cores busy, and one request at a time."""

    system: Rounds = field(default_factory=Rounds)
    bare: Rounds = field(default_factory=Rounds)
    alone: Rounds = field(default_factory=Rounds)
    bare_alone: Rounds = field(default_factory=Rounds)


def main(photo: Path, calls: int = 60, rounds: int = 7) -> None:
    """Measure and write the section of RESULTS.md."""
    data = photo.read_bytes()
    found: dict[str, Measured] = {}
    with stack.running() as state, tqdm(total=len(AIMS) * rounds, desc="direct", unit="round") as progress:
        for mode in AIMS:
            measured, upload = found.setdefault(mode, Measured()), Upload.of(data, mode)
            plates = _plates(load.send(state.url, upload, 5 * CALLERS).plates)
            with bare_process.running(photo, mode) as processes:
                for _ in range(rounds):
                    # in turns, so that other load on the machine affects all of them
                    _through(measured.system, state, upload, calls, CALLERS)
                    _bare(measured.bare, processes, calls, plates)
                    _through(measured.alone, state, upload, calls // 3, 1)
                    _bare(measured.bare_alone, processes[:1], calls // 3, plates)
                    progress.update()
    results.record("The system beside bare processes (`python -m benchmarks direct`)", _report(photo, found, calls))


def _plates(seen: Counter[str]) -> str:
    """The plates in the answers, which must all be equal."""
    if len(seen) != 1:
        raise RuntimeError(f"the same photograph was read in different ways: {seen}")
    return next(iter(seen))


def _through(rounds: Rounds, state: State, upload: Upload, calls: int, callers: int) -> None:
    """One round with the system."""

    def used() -> dict[str, float]:
        own = psutil.Process().cpu_times()
        return load.cpu_seconds(state) | {CLIENT: own.user + own.system}

    time.sleep(SETTLING)
    before = used()
    sent = load.send(state.url, upload, calls, callers)
    time.sleep(SETTLING)
    after = used()
    rounds.wall.append(sent.wall)
    rounds.cpu.append({name: (after[name] - before[name]) * 1000 / calls for name in after})


def _bare(rounds: Rounds, processes: Sequence[BareProcess], photos: int, plates: str) -> None:
    """One round with bare processes, which share the photographs. Raises RuntimeError if their readings differ."""
    share = photos // len(processes)
    start = time.perf_counter()
    for process in processes:
        process.begin(share)
    took = [process.result() for process in processes]
    rounds.wall.append((time.perf_counter() - start) * 1000 / (share * len(processes)))
    rounds.cpu.append({"bare": sum(each.cpu for each in took) * 1000 / (share * len(processes))})
    if any(each.plates != plates for each in took):
        raise RuntimeError(f"the system read {plates!r}, a bare process {took}")


def _report(photo: Path, found: dict[str, Measured], calls: int) -> str:
    names = sorted(
        {name for measured in found.values() for each in measured.system.cpu for name in each},
        key=lambda name: -statistics.median(found["regular"].system.of(name)),
    )
    rounds = len(found["regular"].system.wall)
    return "\n\n".join(
        [
            f"{photo.name}; the system and the bare processes take turns in {rounds} rounds of {calls} photographs. "
            f"Busy: {CALLERS} concurrent calls, and a bare process on each core. Alone: one call at a time, and one "
            "bare process. The bare processes decode the same file, run the networks on the same views, in the same "
            "ONNX Runtime with one thread, and read and assemble the same answer. The client is included in wall time, "
            "but not in processor time. Milliseconds a photograph, median (lowest to highest round); ratios and "
            "differences are medians over the rounds.",
            results.table(
                ["mode", "measure", "system", "bare", "ratio", "aim"],
                [row for mode, measured in found.items() for row in _rows(mode, measured)],
            ),
            "**Where the time goes**: milliseconds of processor time a photograph, by process, busy and alone.",
            results.table(
                ["process", *(f"{mode}, {load}" for mode in found for load in ("busy", "alone"))],
                [
                    [name]
                    + [
                        f"{statistics.median(each.of(name)):.1f}"
                        for measured in found.values()
                        for each in (measured.system, measured.alone)
                    ]
                    for name in names
                ],
            ),
            _picture(found["regular"].system, names),
        ]
    )


def _rows(mode: str, measured: Measured) -> list[list[str]]:
    def row(measure: str, system: list[float], bare: list[float], compared: str, aim: str) -> list[str]:
        return [mode, measure, _text(system), _text(bare), compared, aim]

    def median(compare: Callable[[float, float], float], system: list[float], bare: list[float]) -> float:
        return statistics.median(map(compare, system, bare))

    busy, bare, alone, bare_alone = measured.system, measured.bare, measured.alone, measured.bare_alone
    wall = median(lambda a, b: a / b, busy.wall, bare.wall)
    cpu = median(lambda a, b: a / b, busy.charged, bare.charged)
    more = median(lambda a, b: a - b, alone.wall, bare_alone.wall)
    return [
        row("busy, wall time", busy.wall, bare.wall, f"**{wall:.2f}**", f"{AIMS[mode]}"),
        row("busy, processor time", busy.charged, bare.charged, f"{cpu:.2f}", ""),
        row("alone, wall time", alone.wall, bare_alone.wall, f"{more:+.1f} ms", f"+{AIM_ALONE:g} ms"),
    ]


def _picture(system: Rounds, names: Sequence[str]) -> str:
    shares = "\n".join(f'    "{name}" : {statistics.median(system.of(name)):.2f}' for name in names)
    return f"```mermaid\npie showData title Processor time of a photograph, regular, busy, ms\n{shares}\n```"


def _text(rounds: list[float]) -> str:
    return f"{statistics.median(rounds):.1f} ({min(rounds):.1f} to {max(rounds):.1f})"
