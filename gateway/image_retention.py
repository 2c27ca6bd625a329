"""Pictures kept for webhooks that send them; nothing is kept while none does."""

from __future__ import annotations

import structlog

from platelane.bus import Bus, subjects, topology
from platelane.bus.streams import Stream
from platelane.errors import Overloaded
from platelane.hooks.store import Hooks

log = structlog.get_logger(__name__)


class Keeper:
    """Keeps a picture before its job is sent, so that it is there whenever the result is."""

    def __init__(self, bus: Bus, hooks: Hooks) -> None:
        self._hooks = hooks
        self._images = Stream(bus, topology.KV_IMAGES)

    async def keep_if_wanted(self, job_id: str, camera_id: str, account: str, image: bytes) -> None:
        """Raises: EngineUnavailable."""
        if self._hooks.image_wanted(camera_id, account):
            try:
                await self._images.put(subjects.image(job_id), image)
            except Overloaded as error:
                log.warning("picture_not_kept", job=job_id, error=error.detail)
