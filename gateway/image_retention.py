"""Keeps pictures for webhooks that send them, while there are such webhooks."""

from __future__ import annotations

import structlog

from platelane.bus import Bus, subjects, topology
from platelane.errors import Overloaded
from platelane.webhooks.registry import HookRegistry

log = structlog.get_logger(__name__)


class ImageRetention:
    """Stores a picture before its job is sent, so that it exists when the result does."""

    def __init__(self, bus: Bus, hooks: HookRegistry) -> None:
        self._hooks = hooks
        self._images = bus.stream(topology.KV_IMAGES)

    async def keep_if_wanted(self, job_id: str, camera_id: str, account: str, image: bytes) -> None:
        """Raises: EngineUnavailable."""
        if self._hooks.image_wanted(camera_id, account):
            try:
                await self._images.put(subjects.image(job_id), image)
            except Overloaded as error:
                log.warning("image_not_kept", job=job_id, error=error.detail)
