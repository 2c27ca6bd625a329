"""Answers unparsable messages with INVALID_ARGUMENT, where the gRPC library would answer UNKNOWN."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

Parse = Callable[[bytes], Any]


class Parsing(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Parses requests in place of the library."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        parse, writes = handler.request_deserializer, handler.response_serializer
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(_of_one(handler.unary_unary, parse), response_serializer=writes)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                _of_one(handler.unary_stream, parse), response_serializer=writes
            )
        if handler.stream_stream and inspect.isasyncgenfunction(handler.stream_stream):
            answers = _of_many(handler.stream_stream, parse)
            return grpc.stream_stream_rpc_method_handler(answers, response_serializer=writes)
        return handler


def _of_one(behaviour: Callable[..., Awaitable[Any]], parse: Parse) -> Callable[..., Awaitable[Any]]:
    async def answer(data: bytes, context: Any) -> Any:
        return await behaviour(await _parsed(data, parse, context), context)

    return answer


def _of_many(behaviour: Callable[..., AsyncIterator[Any]], parse: Parse) -> Callable[..., AsyncIterator[Any]]:
    async def answers(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        async def parsed() -> AsyncIterator[Any]:
            async for data in requests:
                yield await _parsed(data, parse, context)

        async for answer in behaviour(parsed(), context):
            yield answer

    return answers


async def _parsed(data: bytes, parse: Parse, context: Any) -> Any:
    try:
        return parse(data)
    except DecodeError:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The message is not a request of this method.")
