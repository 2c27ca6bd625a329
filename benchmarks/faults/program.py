"""Injects one fault after another under load, and reports the outcomes of the requests and events around each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Never

import httpx
from tqdm import tqdm

from benchmarks import results, stack
from benchmarks.attempts import OK
from benchmarks.faults import clients, clocks, deaths, delays, disks, partitions
from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.judgement import Outcome, judge
from benchmarks.faults.load import RATE, Load
from benchmarks.faults.places import CannotInject
from benchmarks.faults.system import System, is_ready, results_by_camera
from benchmarks.receiver import ReceiverProcess, free_port
from platelane.errors import PlatelaneError
from platelane.runtime.settings import Settings

_MODULES: Final = (deaths, clients, delays, disks, clocks, partitions)
FAULTS: Final[dict[str, Fault]] = {fault.name: fault for module in _MODULES for fault in module.FAULTS}
AIM: Final = 5.0
"""Target for the seconds from a fault's end until a photograph is read again and all processes are ready."""
_SECTION: Final = "Faults (`python -m benchmarks faults`)"
_BEFORE: Final = 2.0
_AFTER: Final = 2.0
_LONGEST: Final = 60.0
"""Seconds to wait for a system to become ready again."""
_SETTLING: Final = 40.0
"""Seconds to wait for results and events."""
_LATE: Final = 1.0
"""Seconds to wait for repetitions."""


def main(photo: Path, names: Sequence[str] = ()) -> None:
    """Inject all faults and write the section of RESULTS.md; with `names`, only those faults and rows."""
    chosen = [FAULTS[name] for name in names] or list(FAULTS.values())
    rows: list[list[str]] = []
    progress: tqdm[Never] = tqdm(total=len(chosen), desc="faults", unit="fault")
    for _, group in itertools.groupby(chosen, key=lambda fault: (fault.place, fault.setup)):
        left = list(group)
        while left:
            for row in _in_one_place(left, photo.read_bytes()):
                rows.append(row)
                progress.write(" | ".join(row))
                progress.update()
    progress.close()
    busy = f"The machine's load average at the end: {os.getloadavg()[1]:.1f}."
    text = f"{_INTRODUCTION} {busy}\n\n{results.table(_HEADER, _merged(rows) if names else rows)}"
    print(text)
    results.record(_SECTION, text)


def _merged(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows of the last run, with those of the same faults replaced."""
    new = {row[0]: list(row) for row in rows}
    lines = results.section(_SECTION).splitlines()
    old = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")]
    known = {row[0]: row for row in old if row[0] in FAULTS and len(row) == len(_HEADER)} | new
    return [known[name] for name in FAULTS if name in known]


def _in_one_place(faults: list[Fault], photo: bytes) -> Iterator[list[str]]:
    """The rows of faults that share a system, removing each from the list; stops early if one has broken the system."""
    with tempfile.TemporaryDirectory(prefix="platelane-benchmark-") as name:
        folder = Path(name)
        receiver = ReceiverProcess(free_port(), folder / "arrivals.jsonl")
        try:
            with faults[0].place(folder, faults[0].setup) as system:
                receiver.start()
                _add_webhook(system, receiver)
                time.sleep(_BEFORE)
                while faults:
                    scene, fault = Scene(system, receiver, photo, folder), faults[0]
                    row = _outcome_row(fault, asyncio.run(_around(fault, scene)), scene.notes)
                    del faults[0]
                    yield row
        except CannotInject as reason:
            yield from (_without_outcome(fault, f"not done: {reason}") for fault in faults)
            faults.clear()
        except (PlatelaneError, RuntimeError, OSError) as error:
            yield _without_outcome(faults.pop(0), f"**no**: {error}")
        finally:
            receiver.kill()


def _add_webhook(system: System, receiver: ReceiverProcess) -> None:
    """Create a webhook that sends every result to the receiver."""
    end = time.monotonic() + _LONGEST
    while True:
        page, hook = f"{system.url}/v1/webhooks/", {"target": receiver.url}
        answer = httpx.post(page, json=hook, trust_env=False, timeout=_LONGEST)
        if answer.status_code != 503 or time.monotonic() > end:
            answer.raise_for_status()
            return
        time.sleep(0.5)


async def _around(fault: Fault, scene: Scene) -> Outcome:
    """The outcome of the load before, during and after a fault."""
    deadline = Settings().deadline
    load = Load(scene.system.url, scene.photo, fault.name, deadline)
    async with load.running():
        await asyncio.sleep(_BEFORE)
        injecting = asyncio.create_task(fault.inject(scene))
        injecting.add_done_callback(lambda _: scene.end())
        await scene.over.wait()
        end, ready_after = scene.ended, None
        while time.monotonic() < end + _LONGEST:
            if ready_after is None and await is_ready(scene.system):
                ready_after = time.monotonic() - end
            is_read = any(each.status == OK and each.sent >= end for each in load.attempts)
            if injecting.done() and ready_after is not None and is_read:
                break
            await asyncio.sleep(0.05)
        await injecting
        await asyncio.sleep(_AFTER)

    async def judged() -> Outcome:
        stored = await results_by_camera(scene.system, load.name)
        return judge(load.calls, stored, scene.receiver.arrivals(), deadline, end, ready_after)

    patience = time.monotonic() + _SETTLING
    while time.monotonic() < patience:
        with contextlib.suppress(PlatelaneError, RuntimeError):
            if (await judged()).is_settled and not await stack.under_way(scene.system.state):
                break
        await asyncio.sleep(0.5)
    await asyncio.sleep(_LATE)
    outcome = await judged()
    if outcome.rude:
        scene.notes.append(f"statuses: {dict(Counter(each.status for each in load.attempts))}")
    return outcome


_INTRODUCTION: Final = (
    f"Real processes get {RATE:g} photographs a second at a fixed rate, alternating between a client that waits, one "
    "that repeats its request under the same `Idempotency-Key` until it is answered, and one that is accepted with "
    "202. *Refused*: answered with 408, 429 or 503. *Broken*: the connection broke. *Lost*: answered with 200 or 202, "
    "but no result is stored. *Twice*: two results are stored. *Hung*: took more than 2 s longer than the deadline of "
    "9 s. *Rude*: another status, or a 429 or 503 without `Retry-After`. *Read again*, *all ready*: seconds from the "
    "fault's end until a photograph sent after it had been read, and until every process reported that it is ready; "
    f"aim: at most {AIM:g}. *Events*: events that arrived at a webhook, of those due; *again*: further arrivals under "
    "the same key. *Sound*: nothing lost, twice, hung, rude, missing, or under another key."
)
_HEADER: Final = (
    "fault", "what is done", "sound", "200, 202, refused, broken", "lost", "twice", "hung", "rude", "longest, s",
    "read again, s", "all ready, s", "events", "again", "other keys",
)  # fmt: skip


def _outcome_row(fault: Fault, outcome: Outcome, notes: Sequence[str]) -> list[str]:
    ends = (outcome.answered, outcome.accepted, outcome.refused, outcome.broken)
    return [
        fault.name,
        "; ".join((fault.does, *notes)),
        "yes" if outcome.is_sound else "**no**",
        ", ".join(map(str, ends)),
        *map(str, (outcome.lost, outcome.twice, outcome.hung, outcome.rude)),
        f"{outcome.longest:.1f}",
        _seconds(outcome.read_after),
        _seconds(outcome.ready_after),
        f"{outcome.events - outcome.missing} of {outcome.events}",
        str(outcome.repeated),
        str(outcome.other_keys),
    ]


def _without_outcome(fault: Fault, reason: str) -> list[str]:
    return [fault.name, fault.does, reason, *[""] * (len(_HEADER) - 3)]


def _seconds(after: float | None) -> str:
    return "never" if after is None else f"{after:.1f}"
