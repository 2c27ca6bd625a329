"""What counts as a probe, and the cloud's file names."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from starlette.requests import Request

from gateway.http.info import month_usage
from gateway.http.recognition import cloud_prefix, is_probe


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, True),
        ({"content-length": "0"}, True),
        ({"content-length": "0", "authorization": "Token x"}, True),
        ({"content-length": "5"}, False),
        ({"transfer-encoding": "chunked"}, False),
        ({"content-length": "0", "content-type": "application/json"}, False),
    ],
)
def test_a_probe_has_neither_a_body_nor_its_type(headers: dict[str, str], expected: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_probe(Request({"type": "http", "headers": raw})) is expected


def test_the_clouds_prefix() -> None:
    assert re.fullmatch(r"0907_[A-Z0-9]{5}_", cloud_prefix(datetime(2026, 11, 29, 9, 7, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("now", "resets_on"),
    [(datetime(2026, 11, 30, 23, 59), "2026-12-01T00:00:00Z"), (datetime(2026, 12, 1), "2027-01-01T00:00:00Z")],
)
def test_the_months_usage(now: datetime, resets_on: str) -> None:
    now = now.replace(tzinfo=UTC)
    assert month_usage(3, now) == {"month": now.month, "calls": 3, "year": 2026, "resets_on": resets_on}
