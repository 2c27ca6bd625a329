"""Values of query parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway.results_query import Query
from platelane import times
from platelane.errors import BadRequest

MAX_PLATE: Final = 64
"""Characters of a plate or a pattern that is searched for."""
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def number(parameters: Mapping[str, str], name: str) -> int | None:
    """A whole number; None where the parameter is missing or empty.

    Raises:
        BadRequest: it is not one.
    """
    text = parameters.get(name)
    if not text:
        return None
    if not _WHOLE_NUMBER.fullmatch(text):
        raise BadRequest(f"{name} must be a whole number.")
    return int(text)


def moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    """A time in ISO 8601; None where the parameter is missing or empty.

    Raises:
        BadRequest: it is not one.
    """
    text = parameters.get(name)
    if not text:
        return None
    try:
        return times.parse(text)
    except ValueError as error:
        raise BadRequest(f"{name} is not in ISO 8601, for example 2019-08-19T13:11:25Z.") from error


def results_query(parameters: Mapping[str, str], account: str) -> Query:
    """Which results a request wants: `camera_id`, `plate` (a prefix, or a pattern with ? and *), `since`, `until`.

    Raises:
        BadRequest: a value cannot be understood.
    """
    plate = parameters.get("plate")
    if plate and len(plate) > MAX_PLATE:
        raise BadRequest(f"plate must not be longer than {MAX_PLATE} characters.")
    if plate and not set("*?") & set(plate):
        plate += "*"
    since, until = moment(parameters, "since"), moment(parameters, "until")
    return Query(
        account=account,
        camera=parameters.get("camera_id"),
        plate=plate or None,
        since=since.timestamp() if since else None,
        until=until.timestamp() if until else None,
    )
