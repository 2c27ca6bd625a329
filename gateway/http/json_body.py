"""JSON documents that callers send, validated by the models that the OpenAPI document publishes."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway.intake import body
from gateway.intake.body import Limits
from platelane import validation
from platelane.errors import BadRequest

M = TypeVar("M", bound=BaseModel)

DOCUMENT_LIMIT: Final = 256 << 10
OBJECT_LIMIT: Final = 1 << 20
MOST_BRACKETS: Final = 5_000
"""Limit per document; each bracket costs an object that the garbage collector tracks."""
_EMPTY: Final = "The body is empty; it must be a JSON object."
SECONDS: Final = 10.0
"""Seconds within which the whole document must arrive."""


async def read_document(request: Request, model: type[M], limit: int = DOCUMENT_LIMIT) -> M:
    """A document of at most `limit` bytes.

    Raises:
        BadRequest: not JSON, or it does not match the model; the message names the first problem.
        Others: as `body.read`.
    """
    received = await body.read(request, Limits(limit, SECONDS))
    if not received.strip():
        raise BadRequest(_EMPTY)
    try:
        return await asyncio.to_thread(model.model_validate_json, received)
    except ValidationError as error:
        raise BadRequest(validation.first_problem(error)) from error


async def read_object(request: Request, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """A JSON object of at most `OBJECT_LIMIT` bytes with any fields; an empty body is `default`, if given.

    Raises:
        BadRequest: it is not one.
        Others: as `body.read`.
    """
    received = await body.read(request, Limits(OBJECT_LIMIT, SECONDS))
    if not received.strip():
        if default is None:
            raise BadRequest(_EMPTY)
        return default
    if received.count(b"[") + received.count(b"{") > MOST_BRACKETS:
        raise BadRequest(f"The body has more than {MOST_BRACKETS} brackets.")
    try:
        fields = orjson.loads(received)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from error
    if not isinstance(fields, dict):
        raise BadRequest("The body must be a JSON object.")
    return fields
