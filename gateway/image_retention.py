"""Keeps pictures for webhooks that send them, while there are such webhooks."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from contextlib import suppress
from typing import Final

import structlog

from gateway.accounts import EVERYBODY
from platelane.bus import Bus, subjects, topology
from platelane.errors import EngineUnavailable, Overloaded
from platelane.webhooks.registry import HookRegistry

log = structlog.get_logger(__name__)

_SHARE: Final = 1 / 2
"""Share of the room for pictures that one token may take at one gateway."""
MOST_PICTURES: Final = 10_000
"""Limit per token and gateway: the number of events in a webhook's default queue."""


class ImageRetention:
    """Stores a picture before its job is sent, so that it exists when the result does.

    If there is no room, the stream drops the oldest picture of any token, so each token drops its own ones before that.
    """

    def __init__(self, bus: Bus, hooks: HookRegistry) -> None:
        self._hooks = hooks
        self._connection = bus.connection
        self._images = bus.stream(topology.KV_IMAGES)
        self._room = bus.settings.image_bytes * _SHARE
        self._kept: defaultdict[str, deque[tuple[int, int]]] = defaultdict(deque)
        """Numbers in the stream and bytes of the pictures that this process has stored, by account."""
        self._bytes: Counter[str] = Counter()

    async def keep_if_wanted(self, job_id: str, camera_id: str, account: str, image: bytes) -> None:
        """Raises: EngineUnavailable."""
        if self._hooks.image_wanted(camera_id, account):
            try:
                number = await self._images.put(subjects.image(job_id), image)
            except Overloaded as error:
                log.warning("image_not_kept", job=job_id, error=error.detail)
            else:
                if account != EVERYBODY and number:
                    self._drop_oldest(account, number, len(image))

    def _drop_oldest(self, account: str, number: int, size: int) -> None:
        """Drop the oldest pictures of an account until it has no more than its share."""
        kept = self._kept[account]
        kept.append((number, size))
        self._bytes[account] += size
        while len(kept) > 1 and (self._bytes[account] > self._room or len(kept) > MOST_PICTURES):
            oldest, size = kept.popleft()
            self._bytes[account] -= size
            self._connection.spawn(self._drop(oldest))

    async def _drop(self, number: int) -> None:
        with suppress(EngineUnavailable):  # it expires by itself, later
            await self._images.delete(number)
