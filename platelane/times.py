"""Moments as the API and the messages write them: ISO 8601, and whole microseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEAP_SECOND: Final = re.compile(r"(\d\d:\d\d:)60(?!\d)")
_OFFSET_WITHOUT_PLUS: Final = re.compile(r" (\d\d:?\d\d)$")
"""An offset whose plus sign a form decoder has read as a space."""


def parse(text: str) -> datetime:
    """The moment that ISO 8601 text names, in UTC; text without an offset is UTC.

    Raises:
        ValueError: it is not ISO 8601, or lies outside the years 1 to 9999 of UTC.
    """
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(_plain(text))
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is outside the calendar") from error


def _plain(text: str) -> str:
    """Text as Python reads it: in capitals, with a hyphen for a minus sign, and without a leap second."""
    text = _OFFSET_WITHOUT_PLUS.sub(r"+\1", text.upper().replace("\N{MINUS SIGN}", "-"))
    return _LEAP_SECOND.sub(r"\g<1>59", text)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC; `moment` has an offset."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime:
    """The moment, in UTC, that lies so many microseconds after 1970 UTC. Raises OverflowError out of the calendar."""
    return _EPOCH + timedelta(microseconds=microseconds)


def utc(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, such as `2026-11-30T12:00:00.500000Z`, which NATS understands."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
