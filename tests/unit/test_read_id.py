"""Ids of reads."""

from __future__ import annotations

import pytest

from platelane.read_id import ReadId

JOB = "019a3f0c5d7e0123456789abcdef0123"


def test_there_and_back() -> None:
    assert ReadId.parse(f"{JOB}.12") == ReadId(JOB, 12)
    assert str(ReadId(JOB, 0)) == f"{JOB}.0"


@pytest.mark.parametrize(
    "text",
    ["", JOB, f"{JOB}.", f"{JOB}.00", f"{JOB}.-1", f"{JOB}.12345", f"{JOB.upper()}.1", f"{JOB}.1\n", f"x{JOB}.1"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="id of a read"):
        ReadId.parse(text)
