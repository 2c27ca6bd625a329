"""Events with pictures."""

from __future__ import annotations

import io
import threading

import pytest
from PIL import Image

from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.vision.decoders import Decode
from platelane.webhooks.picture import Picture, upright
from platelane.webhooks.registry import HookRegistry
from tests.receiver import receiving
from tests.webhook_svc.services import create, see, working
from webhook_svc import delivery


async def test_few_pictures_are_decoded_at_once(
    bus: Bus, settings: Settings, hooks: HookRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, most, lock = 0, 0, threading.Lock()

    def watched(data: bytes, filename: str, decode: Decode) -> Picture:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        try:
            return upright(data, filename, decode)
        finally:
            with lock:
                at_work -= 1

    monkeypatch.setattr(delivery, "upright", watched)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = io.BytesIO()
    Image.effect_noise((2_400, 1_600), 40).convert("RGB").save(turned, "JPEG", exif=exif.tobytes())
    async with receiving() as receiver, working(settings):
        for _ in range(6):
            await create(hooks, receiver, format="multipart")
        await bus.stream(topology.KV_IMAGES).put(subjects.image("turned"), turned.getvalue())
        await see(bus, "turned")
        assert all(b"upload" in request.body for request in await receiver.wait(6, timeout=60))
    assert most == delivery.DECODINGS


async def test_images_bucket_is_there(bus: Bus) -> None:
    images = bus.stream(topology.KV_IMAGES)
    await images.put(subjects.image("a"), b"picture")
    record = await images.get(subjects.image("a"))
    assert record is not None
    assert record.data == b"picture"
