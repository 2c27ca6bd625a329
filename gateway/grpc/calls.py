"""What all methods need: the caller's address, waiting until the server stops, and ending a call with an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NoReturn, TypeAlias, TypeVar

import grpc
from google.rpc.status_pb2 import Status

from platelane.grpc_status import DETAILS_KEY

T = TypeVar("T")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def address(context: Context) -> str:
    """The caller's address, from gRPC's form such as `ipv4:127.0.0.1:54321`."""
    return context.peer().partition(":")[2].rpartition(":")[0]


async def until_stop(waited_for: Awaitable[T], stop: asyncio.Event) -> T | None:
    """The awaited result, or None if `stop` is set first."""
    coming = asyncio.ensure_future(waited_for)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()
        stopping.cancel()
        await asyncio.wait({coming, stopping})


async def abort(context: Context, status: Status) -> NoReturn:
    """End a call with an error and its details."""
    await context.abort(code(status.code), status.message, ((DETAILS_KEY, status.SerializeToString()),))


def code(number: int) -> grpc.StatusCode:
    """The code of a status by its number."""
    return next(code for code in grpc.StatusCode if code.value[0] == number)
