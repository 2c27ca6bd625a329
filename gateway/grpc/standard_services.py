"""The standard services, health and reflection, which need no token: what one client may hold of them is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, suppress
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health, health_pb2

from gateway.grpc.calls import Context, abort, address, until_stop
from gateway.grpc.open_calls import OpenCalls
from platelane.errors import BadRequest, EngineUnavailable, PlatelaneError, TooSlow
from platelane.grpc_status import to_status
from platelane.runtime import service
from platelane.runtime.settings import Settings

MOST: Final = 128
"""Open calls of all clients."""
MOST_OF_CLIENT: Final = 32
"""Open calls of one address."""
_HEALTH_INTERVAL: Final = 1.0
"""Seconds between two checks of the service, for clients that watch it."""

Parse = Callable[[bytes], Message]


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Serves the methods of libraries as streams of bytes, which look the same on the wire.

    So a call counts from its beginning, and not only once its message is there; a message has a time limit; one that
    cannot be parsed gets INVALID_ARGUMENT, and not UNKNOWN; and a stopping server waits for no silent client.
    """

    def __init__(self, settings: Settings, stop: asyncio.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._open = OpenCalls("calls of health and reflection", MOST_OF_CLIENT, MOST)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler

        async def answers(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            try:
                with self._open.counted(address(context)):
                    async with aclosing(self._answers(handler, requests, context)) as found:
                        async for answer in found:
                            yield answer
            except PlatelaneError as error:
                await abort(context, to_status(error))

        return grpc.stream_stream_rpc_method_handler(answers, response_serializer=handler.response_serializer)

    async def _answers(self, handler: Any, requests: AsyncIterator[bytes], context: Context) -> Any:
        parse = handler.request_deserializer
        if handler.stream_stream:
            async for answer in handler.stream_stream(self._messages(requests, parse), context):
                yield answer
            return
        request = await self._next(requests, parse, self._settings.upload_timeout)
        if request is None:
            raise BadRequest("The call has no request.")
        if handler.unary_unary:
            yield await handler.unary_unary(request, context)
            return
        async for answer in handler.unary_stream(request, context):
            yield answer

    async def _messages(self, requests: AsyncIterator[bytes], parse: Parse) -> AsyncIterator[Message]:
        while (request := await self._next(requests, parse, self._settings.stream_idle)) is not None:
            yield request

    async def _next(self, requests: AsyncIterator[bytes], parse: Parse, seconds: float) -> Message | None:
        """The next message; None at the end. Raises BadRequest, TooSlow and EngineUnavailable."""
        try:
            async with asyncio.timeout(seconds):
                data = await until_stop(_following(requests), self._stop)
        except TimeoutError:
            raise TooSlow(f"The request did not arrive within {seconds:g} seconds.") from None
        if data is None:
            if self._stop.is_set():
                raise EngineUnavailable("The server is stopping.")
            return None
        try:
            return parse(data)
        except DecodeError as error:
            raise BadRequest("The message is not a request of this method.") from error


async def _following(requests: AsyncIterator[bytes]) -> bytes | None:
    return await anext(requests, None)


class HealthService(health.aio.HealthServicer):  # type: ignore[name-defined,misc]
    """The standard health service, which reports the same as the health page."""

    def __init__(self, names: Collection[str], stop: asyncio.Event) -> None:
        """`names`: the services whose health is known."""
        super().__init__()
        self._names = names
        self._stop = stop
        self._ready = False

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Any:  # noqa: N802
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        await self._refresh()
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(  # noqa: N802
        self,
        request: health_pb2.HealthCheckRequest,
        context: Context,  # noqa: ARG002
    ) -> AsyncIterator[Any]:
        """Each change. (Once one of its watchers has left, the library's own method tells the others nothing more.)"""
        sent = None
        await self._refresh()
        while not self._stop.is_set():
            if (status := self._status(request.service)) != sent:
                yield health_pb2.HealthCheckResponse(status=status)
                sent = status
            with suppress(TimeoutError):
                async with asyncio.timeout(_HEALTH_INTERVAL):
                    await self._stop.wait()
        raise EngineUnavailable("The server is stopping.")

    async def keep_up(self) -> None:
        """Check the service regularly, for all clients that watch it."""
        while True:
            await self._refresh()
            await asyncio.sleep(_HEALTH_INTERVAL)

    async def _refresh(self) -> None:
        self._ready = (await service.health.report()).ready

    def _status(self, name: str) -> Any:
        if name not in self._names:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        return health_pb2.HealthCheckResponse.SERVING if self._ready else health_pb2.HealthCheckResponse.NOT_SERVING
