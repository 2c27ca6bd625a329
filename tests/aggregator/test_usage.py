from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from platelane.bus import Bus, topology
from platelane.usage import CallCounter, day_of, month_of, next_month, previous_month
from tests.support import NatsServer, stored

NOW = datetime.now(UTC)
MONTH = month_of(NOW)


async def test_counts_from_one(bus: Bus) -> None:
    assert await CallCounter(bus).counted("account", MONTH) == 0
    assert [await CallCounter(bus).count("account", NOW, f"{number}") for number in range(3)] == [1, 2, 3]
    assert await CallCounter(bus).counted("account", MONTH) == 3


async def test_one_id_counts_once_and_still_gets_the_total(bus: Bus, other_bus: Bus) -> None:
    await CallCounter(bus).count("account", NOW, "a")
    await CallCounter(bus).count("account", NOW, "b")

    assert await CallCounter(bus).count("account", NOW, "a") == 2
    assert await CallCounter(other_bus).count("account", NOW, "b") == 2
    assert await CallCounter(bus).counted("account", MONTH) == 2


async def test_accounts_and_months_are_apart(bus: Bus) -> None:
    for account in ("", "a.b", "a b", "ä*>"):
        assert await CallCounter(bus).count(account, NOW, f"{account}-1") == 1
        assert await CallCounter(bus).count(account, next_month(NOW), f"{account}-2") == 1


async def test_concurrent_calls_are_all_counted(bus: Bus, other_bus: Bus) -> None:
    ids = [f"{number % 100}" for number in range(300)]

    totals = await asyncio.gather(
        *(CallCounter((bus, other_bus)[index % 2]).count("account", NOW, id_) for index, id_ in enumerate(ids))
    )

    assert await CallCounter(bus).counted("account", MONTH) == 100
    assert max(totals) == 100


async def test_duplicates_are_known_after_a_restart(bus: Bus, server: NatsServer) -> None:
    for number in range(10):
        await CallCounter(bus).count("account", NOW, f"{number}")
    server.kill()
    server.start()

    assert [await CallCounter(bus).count("account", NOW, f"{number}") for number in range(10)] == [10] * 10
    assert await CallCounter(bus).count("account", NOW, "new") == 11


async def test_increments_around_a_kill_count_once(bus: Bus, server: NatsServer) -> None:
    counting = [asyncio.create_task(CallCounter(bus).count("account", NOW, f"{number}")) for number in range(200)]
    await asyncio.sleep(0.01)
    server.kill()
    server.start()
    await asyncio.gather(*counting)

    assert await CallCounter(bus).counted("account", MONTH) == 200


async def test_a_roll_up_leaves_one_message_for_each_counter(bus: Bus, server: NatsServer) -> None:
    counter = CallCounter(bus)
    for account in ("one", "other"):
        for number in range(5):
            await counter.count(account, NOW, f"{account}.{number}")

    assert await counter.roll_up(window=0) == 16
    assert await stored(bus, topology.USAGE) == 4, "a month and a day of each"
    server.kill()
    server.start()
    assert await counter.counted("one", MONTH) == 5
    assert await counter.count("one", NOW, "new") == 6
    assert await counter.by_day("one", MONTH) == {day_of(NOW): 6}
    assert await counter.roll_up(window=0) == 2


async def test_a_roll_up_leaves_what_the_server_needs_to_know_duplicates(bus: Bus, server: NatsServer) -> None:
    counter = CallCounter(bus)
    for number in range(5):
        await counter.count("account", NOW, f"{number}")

    assert await counter.roll_up() == 0
    server.kill()
    server.start()
    assert [await counter.count("account", NOW, f"{number}") for number in range(5)] == [5] * 5


async def test_only_what_is_older_than_the_window_goes(bus: Bus) -> None:
    counter = CallCounter(bus)
    for number in range(3):
        await counter.count("account", NOW, f"old.{number}")
    between = time.time()
    for number in range(2):
        await counter.count("account", NOW, f"new.{number}")

    assert await counter.roll_up(window=time.time() - between) == 6
    assert await counter.counted("account", MONTH) == 5


async def test_a_roll_up_while_calls_are_counted(bus: Bus, other_bus: Bus) -> None:
    counter, other = CallCounter(bus), CallCounter(other_bus)
    counting = asyncio.gather(*(counter.count("account", NOW, f"{number}") for number in range(200)))
    while not counting.done():
        await other.roll_up(window=0)

    assert max(await counting) == 200
    assert await counter.counted("account", MONTH) == 200


async def test_days_are_counted_as_months_are(bus: Bus, other_bus: Bus) -> None:
    counter, moment = CallCounter(bus), datetime(2026, 11, 1, 23, 59, tzinfo=UTC)
    for number in range(3):
        await counter.count("a.b", moment, f"{number}")
    await counter.count("a.b", moment + timedelta(minutes=2), "next day")
    assert await counter.count("a.b", moment, "0") == 4, "counted before"
    await counter.count("a.b", next_month(moment), "next month")
    await counter.count("a", moment, "another account")

    assert await CallCounter(other_bus).by_day("a.b", "2026-11") == {"2026-11-01": 3, "2026-11-02": 1}
    assert await counter.by_day("a.b", "2026-12") == {"2026-12-01": 1}
    assert await counter.by_day("nobody", "2026-11") == {}


async def test_days_before_the_last_month_are_forgotten_and_months_are_not(bus: Bus) -> None:
    counter = CallCounter(bus)
    last = previous_month(NOW)
    before = previous_month(last)
    for name, moment in {"now": NOW, "last": last, "before": before, "long ago": previous_month(before)}.items():
        await counter.count("account", moment, name)

    assert await counter.forget_days(NOW) == 2
    assert await counter.by_day("account", month_of(last)) == {day_of(last): 1}
    assert await counter.by_day("account", month_of(before)) == {}
    assert await counter.counted("account", month_of(before)) == 1
