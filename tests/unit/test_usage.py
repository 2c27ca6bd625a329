from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from platelane.usage import day_of, days_of, month_of, next_month, previous_month


def test_months_are_those_of_utc() -> None:
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == "2026-11"
    assert month_of(datetime(2026, 11, 30, 23, 59, tzinfo=timezone(-timedelta(hours=5)))) == "2026-12"


def test_the_next_month_begins_at_midnight_utc() -> None:
    assert next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert next_month(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 2, 1, tzinfo=UTC)


def test_days_are_those_of_utc() -> None:
    assert day_of(datetime(2026, 11, 30, 23, 59, tzinfo=timezone(-timedelta(hours=5)))) == "2026-12-01"
    assert [*days_of("2028-02")][-2:] == ["2028-02-28", "2028-02-29"]
    assert len([*days_of("2026-12")]) == 31


def test_the_previous_month_is_never_the_same() -> None:
    assert month_of(previous_month(datetime(2026, 3, 31, tzinfo=UTC))) == "2026-02"
    assert month_of(previous_month(datetime(2026, 1, 1, tzinfo=UTC))) == "2025-12"
