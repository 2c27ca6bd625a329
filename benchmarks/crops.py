"""The cost of keeping small pictures of plates and vehicles: `python -m benchmarks.crops`."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

import httpx

from benchmarks import stack
from benchmarks.load import cpu_seconds
from benchmarks.results import record, table
from platelane.local.state import State

ROUNDS: Final = 8
PHOTOS: Final = 15
"""Photographs per round, sent one after another."""
WARM: Final = 5
SAMPLE: Final = Path(__file__).resolve().parent.parent / "samples" / "gate.jpg"


def main() -> None:
    """Measure with and without, side by side in turns, and write the section of RESULTS.md."""
    photo = SAMPLE.read_bytes()
    spent: dict[str, list[float]] = {"kept": [], "not kept": []}
    with stack.running(keep_crops=True) as keeping, stack.running(keep_crops=False) as plain:
        systems = {"kept": keeping, "not kept": plain}
        for system in systems.values():
            _send(system, photo, WARM)
        for _ in range(ROUNDS):
            for name, system in systems.items():
                before = sum(cpu_seconds(system).values())
                _send(system, photo, PHOTOS)
                spent[name].append(1e3 * (sum(cpu_seconds(system).values()) - before) / PHOTOS)
    rows = [
        [name, f"{statistics.median(each):.1f} ({min(each):.1f} to {max(each):.1f})"] for name, each in spent.items()
    ]
    ratio = statistics.median(kept / plain for kept, plain in zip(*spent.values(), strict=True))
    record(
        "Keeping small pictures (`python -m benchmarks.crops`)",
        "Processor time of all processes for a photograph, with and without `PLATELANE_KEEP_CROPS`: two systems side "
        f"by side take turns in {ROUNDS} rounds of {PHOTOS} photographs. Milliseconds, median (lowest to highest "
        f"round). Ratio of kept to not kept, median of the rounds: {ratio:.2f}.\n\n"
        + table(["small pictures", "processor, ms a photograph"], rows),
    )


def _send(system: State, photo: bytes, number: int) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        for _ in range(number):
            data = {"camera_id": "gate", "mmc": "true"}
            answer = client.post(f"{system.url}/v1/plate-reader/", files={"upload": photo}, data=data)
            answer.raise_for_status()


if __name__ == "__main__":
    main()
