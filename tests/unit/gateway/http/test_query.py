"""Query parameters: numbers, times, and which results they ask for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.http.query import moment, number, results_query
from gateway.results_query import Query
from platelane.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("17", 17), ("007", 7), ("9" * 18, 10**18 - 1), ("", None), (None, None)]
)
def test_whole_numbers(text: str | None, expected: int | None) -> None:
    assert number({} if text is None else {"before": text}, "before") == expected


@pytest.mark.parametrize("text", ["-1", "1.5", "1e9", "x", "²", "٣", " 1", "9" * 19, "9" * 5_000])
def test_what_is_no_whole_number_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match="before must be a whole number"):
        number({"before": text}, "before")


@pytest.mark.parametrize(
    "text", ["2026-11-29T06:00:00Z", "2026-11-29T06:00:00", "2026-11-29T08:00:00 02:00", "2026-11-29 06:00"]
)
def test_times(text: str) -> None:
    assert moment({"since": text}, "since") == datetime(2026, 11, 29, 6, tzinfo=UTC)
    assert moment({}, "since") is moment({"since": ""}, "since") is None


def test_what_is_no_time_is_named() -> None:
    with pytest.raises(BadRequest, match="since is not in ISO 8601"):
        moment({"since": "yesterday"}, "since")


def test_which_results_are_wanted() -> None:
    assert results_query({}, "") == Query(account="")
    assert results_query({"camera_id": "gate 7", "plate": "AB"}, "me") == Query("me", "gate 7", "AB*")
    assert results_query({"plate": "?b*"}, "me").plate == "?b*"
    wanted = results_query({"since": "1970-01-01T00:00:02Z", "until": "1970-01-01T00:00:04.5"}, "me")
    assert (wanted.since, wanted.until) == (2.0, 4.5)


def test_a_pattern_has_a_bounded_length() -> None:
    assert results_query({"plate": "*" + "a" * 63}, "me").plate == "*" + "a" * 63
    with pytest.raises(BadRequest, match="plate must not be longer than 64"):
        results_query({"plate": "*" + "a" * 64}, "me")
