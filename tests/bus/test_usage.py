from __future__ import annotations

import asyncio

from platelane.bus import Bus
from tests.bus.support import NatsServer

MONTH = "2026-11"


async def test_counts_from_one(bus: Bus) -> None:
    assert await bus.counted("account", MONTH) == 0
    assert [await bus.count("account", MONTH, f"{number}") for number in range(3)] == [1, 2, 3]
    assert await bus.counted("account", MONTH) == 3


async def test_one_id_counts_once_and_still_gets_the_total(bus: Bus, other_bus: Bus) -> None:
    await bus.count("account", MONTH, "a")
    await bus.count("account", MONTH, "b")

    assert await bus.count("account", MONTH, "a") == 2
    assert await other_bus.count("account", MONTH, "b") == 2
    assert await bus.counted("account", MONTH) == 2


async def test_accounts_and_months_are_apart(bus: Bus) -> None:
    for account in ("", "a.b", "a b", "ä*>"):
        assert await bus.count(account, MONTH, f"{account}-1") == 1
        assert await bus.count(account, "2026-12", f"{account}-2") == 1


async def test_concurrent_calls_are_all_counted(bus: Bus, other_bus: Bus) -> None:
    ids = [f"{number % 100}" for number in range(300)]

    totals = await asyncio.gather(
        *((bus, other_bus)[index % 2].count("account", MONTH, id_) for index, id_ in enumerate(ids))
    )

    assert await bus.counted("account", MONTH) == 100
    assert max(totals) == 100


async def test_duplicates_are_known_after_a_restart(bus: Bus, server: NatsServer) -> None:
    for number in range(10):
        await bus.count("account", MONTH, f"{number}")
    server.kill()
    server.start()

    assert [await bus.count("account", MONTH, f"{number}") for number in range(10)] == [10] * 10
    assert await bus.count("account", MONTH, "new") == 11


async def test_increments_around_a_kill_count_once(bus: Bus, server: NatsServer) -> None:
    counting = [asyncio.create_task(bus.count("account", MONTH, f"{number}")) for number in range(200)]
    await asyncio.sleep(0.01)
    server.kill()
    server.start()
    await asyncio.gather(*counting)

    assert await bus.counted("account", MONTH) == 200
