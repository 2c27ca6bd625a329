"""Fits the limits of the streams to the free space on this machine's disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from platelane.bus import topology
from platelane.errors import CannotStart
from platelane.runtime.settings import Settings

_SHARE: Final = 0.9
"""Share of the free space that streams may use; logs and other programs need some too."""
_LEAST: Final = {"results_bytes": 10_000_000, "crops_bytes": 10_000_000, "image_bytes": 10_000_000, "queue_limit": 64}
_STEPS: Final = 20
_RESTART_BYTES: Final = 100_000_000


def reserved(settings: Settings) -> int:
    """Bytes that all streams together may take."""
    return sum(max(0, config.max_bytes or 0) for config in topology.streams(settings))


def room(store: Path) -> int:
    """Bytes that the files in `store` may take: what they take now, plus most of the free space."""
    stored = sum(file.stat().st_blocks * 512 for file in store.rglob("*") if file.is_file()) if store.exists() else 0
    return stored + round(_SHARE * shutil.disk_usage(_existing(store)).free)


def total(store: Path) -> int:
    """Bytes of the whole disk that `store` is on."""
    return shutil.disk_usage(_existing(store)).total


def has_room_to_restart(store: Path) -> bool:
    """Whether there is enough free space for a server that ran out of it to work after a restart."""
    return shutil.disk_usage(store).free > _RESTART_BYTES


def fitted(settings: Settings, store: Path) -> Settings:
    """The settings with lower limits if the disk has no room for more: results and pictures first, then the queue.

    Raises:
        CannotStart: there is not even room for the lowest limits.
    """
    available = room(store)
    for step in range(_STEPS + 1):
        share = 1 - step / _STEPS
        changes = {
            name: min(getattr(settings, name), max(least, int(share * getattr(settings, name))))
            for name, least in _LEAST.items()
            if name != "queue_limit" or share < 0.5
        }
        smaller = settings.model_copy(update=changes)
        if reserved(smaller) <= available:
            return smaller if step else settings
    raise CannotStart(
        f"There is not enough room for the queues in {store}: they need {_gigabytes(reserved(smaller) / _SHARE)}, and "
        f"{_gigabytes(available / _SHARE)} can be used. Make room, or choose another disk with --state-dir."
    )


def explained(before: Settings, after: Settings, store: Path) -> tuple[str, ...]:
    """A description of what `fitted` changed; empty if it changed nothing."""
    if before == after:
        return ()
    kept = (
        f"{_gigabytes(after.results_bytes)} of results, {_gigabytes(after.crops_bytes)} of small pictures, "
        f"{_gigabytes(after.image_bytes)} of pictures for webhooks and "
        f"{after.queue_limit} waiting photos"
    )
    return (f"{_gigabytes(room(store))} can be used in {store}, so at most {kept} are kept.",)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
