"""A disk that is full for a while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from pathlib import Path
from typing import Final

from benchmarks.faults.fault import Fault, Scene
from benchmarks.faults.places import LITTLE, Setup, small_disk

_SECONDS: Final = 10.0


async def _fill_disk(scene: Scene) -> None:
    disk = scene.folder / "state"
    ballast = disk / "ballast"
    end = time.monotonic() + _SECONDS
    try:
        while time.monotonic() < end:
            _fill(ballast)  # again, because deletions meanwhile have freed some space
            await asyncio.sleep(0.05)
    finally:
        ballast.unlink()


def _fill(ballast: Path) -> None:
    if free := shutil.disk_usage(ballast.parent).free:
        # other programs may take some of it meanwhile
        with contextlib.suppress(OSError), ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), free)


FAULTS: Final = (
    Fault("full-disk", f"the state directory's disk is full for {_SECONDS:g} s", _fill_disk, Setup(LITTLE), small_disk),
)
