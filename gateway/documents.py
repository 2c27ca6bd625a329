"""JSON documents that callers send, validated by the models that the OpenAPI document publishes."""

from __future__ import annotations

import asyncio
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from platelane.errors import BadRequest, UploadTooLarge

M = TypeVar("M", bound=BaseModel)

LIMIT: Final = 256 << 10
_PATIENCE: Final = 10.0


async def read_body(request: Request, limit: int) -> bytes:
    """The body of a request, of at most `limit` bytes.

    Raises:
        UploadTooLarge: there are more.
        BadRequest: it does not arrive in time.
        starlette.requests.ClientDisconnect: the client hung up.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise UploadTooLarge(limit)
    except TimeoutError:
        raise BadRequest(f"The document did not arrive within {_PATIENCE:g} seconds.") from None
    return bytes(body)


async def read_document(request: Request, model: type[M]) -> M:
    """The body of a request, of at most `LIMIT` bytes.

    Raises:
        BadRequest: no JSON, or not what the model says; the first thing that is wrong is named.
        Others: as `read_body`.
    """
    body = await read_body(request, LIMIT)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise BadRequest(f"{where}: {problem['msg']}." if where else f"{problem['msg']}.") from error
