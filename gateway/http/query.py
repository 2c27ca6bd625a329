"""Values of query and path parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from starlette.requests import Request

from gateway.results_query import Query
from platelane import times
from platelane.errors import BadRequest, NotFound
from platelane.read_id import ReadId
from platelane.webhooks.wildcards import checked_pattern, is_pattern, refuse_other_syntax

MAX_PLATE: Final = 64
"""The most characters of a plate or pattern in a search."""
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,18}")


def read_id(request: Request) -> ReadId:
    """The path parameter `read`.

    Raises:
        NotFound: not the id of a read.
    """
    try:
        return ReadId.parse(request.path_params["read"])
    except ValueError as error:
        raise NotFound("Ids of reads look like 019a3f0c5d7e0123456789abcdef0123.0.") from error


def number(parameters: Mapping[str, str], name: str) -> int | None:
    """A whole number; None if the parameter is missing or empty.

    Raises:
        BadRequest: not a whole number.
    """
    text = parameters.get(name)
    if not text:
        return None
    if not _WHOLE_NUMBER.fullmatch(text):
        raise BadRequest(f"{name} must be a whole number.")
    return int(text)


def moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    """A time in ISO 8601; None if the parameter is missing or empty.

    Raises:
        BadRequest: not a time.
    """
    text = parameters.get(name)
    if not text:
        return None
    try:
        return times.parse(text)
    except ValueError as error:
        raise BadRequest(f"{name} is not in ISO 8601, for example 2019-08-19T13:11:25Z.") from error


def plate_or_pattern(parameters: Mapping[str, str]) -> str:
    """The parameter `plate`; empty if it is missing.

    Raises:
        BadRequest: it is too long, or contains characters that no plate has.
    """
    plate = limited(parameters, "plate", MAX_PLATE)
    if plate:
        try:
            refuse_other_syntax(checked_pattern(plate))
        except ValueError as error:
            raise BadRequest(f"plate: {error}.") from error
    return plate


def limited(parameters: Mapping[str, str], name: str, limit: int) -> str:
    """A text of at most `limit` characters; empty if it is missing. Raises BadRequest."""
    text = parameters.get(name, "")
    if len(text) > limit:
        raise BadRequest(f"{name} must not be longer than {limit} characters.")
    return text.encode("utf-8", "replace").decode()


def results_query(parameters: Mapping[str, str], account: str) -> Query:
    """The filter of a request: `camera_id`, `plate` (a prefix, or a pattern with ? and *), `since`, `until`.

    Raises:
        BadRequest: a value cannot be understood.
    """
    plate = plate_or_pattern(parameters)
    if plate and not is_pattern(plate):
        plate += "*"
    since, until = moment(parameters, "since"), moment(parameters, "until")
    return Query(
        account=account,
        camera=parameters.get("camera_id"),
        plate=plate or None,
        since=since.timestamp() if since else None,
        until=until.timestamp() if until else None,
    )
