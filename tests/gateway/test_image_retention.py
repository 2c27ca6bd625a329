"""Pictures kept for webhooks: those of one token do not displace those of another."""

from __future__ import annotations

import pytest

from gateway import image_retention
from gateway.accounts import EVERYBODY
from gateway.image_retention import ImageRetention
from platelane.bus import Bus, subjects, topology
from platelane.runtime.settings import Settings
from platelane.webhooks.hook import HookSettings
from platelane.webhooks.registry import HookRegistry
from tests.support import NatsServer, eventually

PICTURE = bytes(1_000_000)


@pytest.fixture
def settings(server: NatsServer) -> Settings:
    """Room for ten pictures, or a little less."""
    return Settings(nats_url=server.url, image_bytes=10_000_000)


async def keep(bus: Bus, hooks: HookRegistry, *accounts: str) -> None:
    """Keep a picture of each, one after the other, as jobs named by account and number."""
    images, numbers = ImageRetention(bus, hooks), dict.fromkeys(accounts, 0)
    for account in dict.fromkeys(accounts):
        owner = "" if account == EVERYBODY else account
        await hooks.create(HookSettings(target="http://127.0.0.1:9/", format="multipart"), owner)

    async def known() -> bool:
        return all(hooks.image_wanted("gate", account) for account in accounts)

    await eventually(known)
    for account in accounts:
        await images.keep_if_wanted(f"{account}{numbers[account]}", "gate", account, PICTURE)
        numbers[account] += 1


async def until_kept(bus: Bus, *jobs: str) -> None:
    async def kept() -> bool:
        records, _ = await bus.stream(topology.KV_IMAGES).last(subjects.image("*"))
        return sorted(record.key for record in records) == sorted(jobs)

    await eventually(kept)


async def test_a_token_drops_its_own_oldest_pictures_and_no_others(bus: Bus, hooks: HookRegistry) -> None:
    await keep(bus, hooks, "few", *["many"] * 12)
    await until_kept(bus, "few0", *(f"many{number}" for number in range(7, 12)))


async def test_a_token_has_a_number_of_pictures(bus: Bus, hooks: HookRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_retention, "MOST_PICTURES", 2)
    await keep(bus, hooks, "few", *["many"] * 4)
    await until_kept(bus, "few0", "many2", "many3")


async def test_on_premise_all_the_room_is_for_everybody(bus: Bus, hooks: HookRegistry) -> None:
    await keep(bus, hooks, *[EVERYBODY] * 8)
    await until_kept(bus, *(f"{EVERYBODY}{number}" for number in range(8)))
