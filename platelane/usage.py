"""Counts calls per account, by month and by day: exactly once per job, however often a job is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from platelane.bus import Bus, subjects, topology
from platelane.bus.roll_up import every_minute, roll_up
from platelane.bus.streams import counter

_DAY: Final = timedelta(days=1)


def month_of(moment: datetime) -> str:
    """The month that a call counts in, such as `2026-11`; months begin at midnight UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def day_of(moment: datetime) -> str:
    """The day that a call counts on, such as `2026-11-30`; days begin at midnight UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def days_of(month: str) -> Iterator[str]:
    """The days of a month such as `2026-11`."""
    day = date.fromisoformat(f"{month}-01")
    while f"{day:%Y-%m}" == month:
        yield day.isoformat()
        day += _DAY


def previous_month(moment: datetime) -> datetime:
    """A moment in the month before."""
    return moment.astimezone(UTC).replace(day=1) - _DAY


def next_month(moment: datetime) -> datetime:
    """When the month of `moment` ends and the count starts from zero."""
    now = moment.astimezone(UTC)
    return datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)


class CallCounter:
    """The stream USAGE: a counter for each account and month, and one for each day, whose last message holds the sum.

    Days are kept for this month and the last, months forever.
    """

    def __init__(self, bus: Bus) -> None:
        self._stream = bus.stream(topology.USAGE)

    async def count(self, account: str, moment: datetime, message_id: str) -> int:
        """Count a call of that moment, exactly once for each `message_id`; the total of its month.

        Raises:
            EngineUnavailable, Overloaded: as `Stream.add`.
        """
        total, _ = await asyncio.gather(
            self._stream.add(subjects.usage(account, month_of(moment)), 1, message_id),
            self._stream.add(subjects.usage(account, day_of(moment)), 1, f"{message_id}.day"),
        )
        return total

    async def counted(self, account: str, month: str) -> int:
        """The calls of an account in a month.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        return await self._stream.value(subjects.usage(account, month))

    async def by_day(self, account: str, month: str) -> dict[str, int]:
        """The calls of an account on the days of a month that have any.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        records, _ = await self._stream.last(subjects.usage_of(account))
        return {record.key: counter(record.data) for record in records if record.key.startswith(f"{month}-")}

    async def roll_up(self, window: float = topology.COUNT_WINDOW) -> int:
        """Remove increments older than `window` seconds, except each counter's last message; returns how many.

        Only counters of current periods are rolled up. Several processes may do so at once.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        now = datetime.now(UTC)
        # calls count on the day on which they arrived, which may be over by the time they are answered
        periods = dict.fromkeys(rule(moment) for moment in (now - _DAY, now) for rule in (month_of, day_of))
        before = now.timestamp() - window
        return sum([await roll_up(self._stream, subjects.usage_in(period), before) for period in periods])

    async def forget_days(self, now: datetime) -> int:
        """Remove the counters of days before the last month; returns how many messages were removed.

        Only the two months before that are removed, so a system that was down for longer keeps some days forever.

        Raises:
            EngineUnavailable: NATS does not answer.
        """
        removed, month = 0, previous_month(now)
        for _ in range(2):
            month = previous_month(month)
            for day in days_of(month_of(month)):
                removed += await self._stream.purge(filter=subjects.usage_in(day))
        return removed

    async def keep_rolled_up(self, stop: asyncio.Event) -> None:
        """Roll up every minute until `stop`, and forget old days once a month and at the start."""
        forgotten = ""

        async def work() -> int:
            nonlocal forgotten
            removed, now = await self.roll_up(), datetime.now(UTC)
            if month_of(now) != forgotten:
                await self.forget_days(now)
                forgotten = month_of(now)
            return removed

        await every_minute(work, stop)
