"""Times as text and in microseconds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platelane import times


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2019-08-19T13:11:25", datetime(2019, 8, 19, 13, 11, 25, tzinfo=UTC)),
        ("2019-08-19T13:11:25Z", datetime(2019, 8, 19, 13, 11, 25, tzinfo=UTC)),
        (" 2019-08-19 13:11:25.5 ", datetime(2019, 8, 19, 13, 11, 25, 500_000, tzinfo=UTC)),
        ("2019-08-19T13:11:25+02:00", datetime(2019, 8, 19, 11, 11, 25, tzinfo=UTC)),
        ("2019-08-19T13:11:25 02:00", datetime(2019, 8, 19, 11, 11, 25, tzinfo=UTC)),
        ("2019-08-19T13:11:25 0200", datetime(2019, 8, 19, 11, 11, 25, tzinfo=UTC)),
        ("2019-08-19", datetime(2019, 8, 19, tzinfo=UTC)),
        ("2019-08-19t13:11:25.5z", datetime(2019, 8, 19, 13, 11, 25, 500_000, tzinfo=UTC)),
        ("2019-08-19T13:11:25\u221202:00", datetime(2019, 8, 19, 15, 11, 25, tzinfo=UTC)),
        ("2016-12-31T23:59:60.25Z", datetime(2016, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)),
        ("2026-11-30T12:00:00.123456789Z", datetime(2026, 11, 30, 12, 0, 0, 123_456, tzinfo=UTC)),  # NATS
    ],
)
def test_iso_8601_is_utc_where_it_names_no_offset(text: str, moment: datetime) -> None:
    assert times.parse(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-02:00",
        "2019",
        "2019-08-19T13:60:25Z",
        "2019-08-19T13:11:61Z",
    ],
)
def test_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  every kind of text
        times.parse(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_and_back(moment: datetime) -> None:
    assert times.moment(times.microseconds(moment)) == moment


def test_unix_seconds_are_written_as_nats_reads_them() -> None:
    assert times.utc(1_796_040_000.0) == "2026-11-30T12:00:00Z"
    assert times.utc(1_796_040_000.5) == "2026-11-30T12:00:00.500000Z"
