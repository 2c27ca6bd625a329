"""The service `platelane.v1.PlateReader`: three methods over the same core as the REST API."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind

from gateway.accounts import Account, Accounts
from gateway.grpc import requests as grpc_requests
from gateway.grpc.calls import Context, abort, address, code, until_stop
from gateway.grpc.open_calls import OpenCalls, Receiving
from gateway.idempotency import KeyedRequests, RequestKey, checked_key, digest
from gateway.intake import Intake
from gateway.intake.upload import Upload
from gateway.jobs import Answer, JobClient
from gateway.result_feed import ResultFeed
from platelane.errors import (
    BadRequest,
    EngineUnavailable,
    Fault,
    Forbidden,
    Overloaded,
    PlatelaneError,
    RequestError,
    TooSlow,
)
from platelane.grpc_status import ADMITTED, to_status
from platelane.pb.v1 import domain_pb2, service_pb2
from platelane.runtime import metrics, tracing
from platelane.runtime.settings import Settings

log = structlog.get_logger(__name__)

NAME: Final = service_pb2.DESCRIPTOR.services_by_name["PlateReader"].full_name
STREAM_IN_FLIGHT: Final = 8
"""Pictures of one stream that are processed at once."""
STREAMS: Final = 128
"""Streams of pictures of all clients, at most; and subscriptions."""
STREAMS_OF_CLIENT: Final = 32
"""Streams of pictures, and subscriptions, of one token, or on-premise of one address."""
CLIENTS: Final = 4
"""Clients for whose waiting calls there is room."""
_LEAST_WAITING: Final = 32
_LEAST_RECEIVING: Final = 4

M = TypeVar("M", service_pb2.RecognizeRequest, service_pb2.SubscribeRequest)


class PlateReader:
    """Handles calls until `stop`; then streams end once the pictures they have accepted are answered.

    Calls with a single request are served as streams of requests, which look the same on the wire. This allows checking
    the token before the request has arrived, and limiting how long it takes to arrive.
    """

    def __init__(
        self,
        jobs: JobClient,
        keyed: KeyedRequests,
        accounts: Accounts,
        intake: Intake,
        feed: ResultFeed,
        settings: Settings,
        stop: asyncio.Event,
    ) -> None:
        self._jobs = jobs
        self._keyed = keyed
        self._accounts = accounts
        self._intake = intake
        self._feed = feed
        self._settings = settings
        self._stop = stop
        # gRPC does not report how much of a message has arrived, so each counts as the largest allowed
        at_once = intake.budget // settings.upload_limit
        self._receiving = Receiving(max(_LEAST_RECEIVING, at_once // 4))
        waiting = most_waiting(settings)
        self._waiting = OpenCalls("calls whose picture has not arrived", waiting, CLIENTS * waiting)
        streams = min(STREAMS, max(_LEAST_RECEIVING, at_once - at_once // 4))
        self._streams = OpenCalls("streams", STREAMS_OF_CLIENT, streams)
        self._subscriptions = OpenCalls("subscriptions", STREAMS_OF_CLIENT, STREAMS)

    async def Recognize(  # noqa: N802  the names of the protocol
        self, requests: AsyncIterator[bytes], context: Context
    ) -> service_pb2.RecognizeResponse:
        account = await self._account(context)
        async with self._counted(self._waiting, account, context), self._receiving.place(_client(account, context)):
            request = await self._only(requests, service_pb2.RecognizeRequest, context)
        response = await self._response(request, account, context)
        if response.HasField("error"):
            await abort(context, response.error)
        return response

    async def RecognizeStream(  # noqa: N802
        self, _requests: object, context: Context
    ) -> None:
        account = await self._account(context)
        async with self._counted(self._streams, account, context):
            await self._stream(context)

    async def _stream(self, context: Context) -> None:
        await context.send_initial_metadata(((ADMITTED, "1"),))
        places, writing = asyncio.Semaphore(STREAM_IN_FLIGHT), asyncio.Lock()

        async def answer(request: service_pb2.RecognizeRequest, account: Account) -> None:
            if request.request_id:
                response = await self._response(request, account, context)
            else:
                response = _failed(request, BadRequest("Each request of a stream must have a request_id."))
            async with writing:
                await context.write(response)
            places.release()  # only now, so that a client that reads no answers can send no more pictures

        ended: PlatelaneError | None = None
        async with asyncio.TaskGroup() as group:
            await places.acquire()
            while True:
                try:
                    request = await self._next(context)
                except RequestError as error:
                    ended = error
                    break
                if request is None:
                    break
                try:
                    account = self._caller(context)
                except Forbidden:
                    break
                group.create_task(answer(request, account))
                del request
                await places.acquire()
        await self._account(context)  # whose token may have been revoked
        if ended:
            await abort(context, to_status(ended))
        if self._stop.is_set():
            await abort(context, to_status(EngineUnavailable("The server is stopping.")))

    async def Subscribe(  # noqa: N802
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[domain_pb2.Recognition]:
        account = await self._account(context)
        async with self._counted(self._subscriptions, account, context):
            request = await self._only(requests, service_pb2.SubscribeRequest, context)
            async for recognition in self._results(request, account, context):
                yield recognition

    async def _results(
        self, request: service_pb2.SubscribeRequest, account: Account, context: Context
    ) -> AsyncIterator[domain_pb2.Recognition]:
        try:
            _, start = await self._feed.bounds()
        except PlatelaneError as error:
            await abort(context, to_status(error))
        await context.send_initial_metadata(())
        try:
            async with aclosing(self._feed.follow(start, frozenset(request.camera_ids), math.inf)) as feed:
                async for page in feed:
                    for stored in page:
                        if stored.result.account == account.id:
                            await self._account(context)
                            yield stored.result.recognition
        except EngineUnavailable as error:
            await abort(context, to_status(error))
        await abort(context, to_status(EngineUnavailable("The server is stopping.")))

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The handlers of the service's methods, for a server."""
        # messages are parsed here, because the library would answer unparsable ones with UNKNOWN
        recognize = None, service_pb2.RecognizeResponse.SerializeToString
        subscribe = None, domain_pb2.Recognition.SerializeToString
        methods = {
            "Recognize": grpc.stream_unary_rpc_method_handler(self.Recognize, *recognize),
            "RecognizeStream": grpc.stream_stream_rpc_method_handler(self.RecognizeStream, *recognize),
            "Subscribe": grpc.stream_stream_rpc_method_handler(self.Subscribe, *subscribe),
        }
        return grpc.method_handlers_generic_handler(NAME, methods)

    def _caller(self, context: Context) -> Account:
        metadata = dict(context.invocation_metadata() or ())
        return self._accounts.of(str(metadata.get("authorization", "")))

    async def _account(self, context: Context) -> Account:
        """The caller's current account; aborts the call if there is none."""
        try:
            return self._caller(context)
        except Forbidden as error:
            await abort(context, to_status(error, grpc.StatusCode.UNAUTHENTICATED))

    @asynccontextmanager
    async def _counted(self, calls: OpenCalls, account: Account, context: Context) -> AsyncIterator[None]:
        """Count a call while it is open; aborts it if the client, or all, have too many."""
        with ExitStack() as counted:
            try:
                counted.enter_context(calls.counted(_client(account, context)))
            except Overloaded as error:
                await abort(context, to_status(error))
            yield

    async def _only(self, requests: AsyncIterator[bytes], kind: type[M], context: Context) -> M:
        """The only message of a call. It has a time limit, because the call takes a place."""
        try:
            async with asyncio.timeout(self._settings.upload_timeout):
                return _parsed(await anext(requests), kind)
        except BadRequest as error:
            reason = error.detail
        except TimeoutError:
            reason = f"The request did not arrive within {self._settings.upload_timeout:g} seconds."
        except StopAsyncIteration:
            reason = "The call has no request."
        return await abort(context, to_status(BadRequest(reason)))

    async def _read(self, request: service_pb2.RecognizeRequest, account: Account, context: Context) -> Answer:
        client = _client(account, context)
        self._jobs.admission.check(client)
        key = checked_key((request.idempotency_key,) if request.idempotency_key else ())
        again = key is not None and await self._keyed.is_known(account.id, key)
        await self._accounts.admit(account, counts=not again)
        arrival = self._intake.arriving(client)
        arrival.add(len(request.image))
        upload = await Upload.whole(request.image, self._settings.upload_limit)
        fields = grpc_requests.read(request, upload, datetime.now(UTC), arrival)
        photograph = await self._intake.photograph(fields)
        with self._jobs.admission.admitted(client, photograph):
            if key:
                hashed = await asyncio.to_thread(digest, "Recognize", fields, photograph)
                return await self._keyed.recognize(photograph, RequestKey(account, key, hashed))
            recognition = self._jobs.recognize(photograph, account, patience=context.time_remaining(), droppable=True)
            del fields, photograph, upload, arrival
            return await recognition

    async def _response(
        self, request: service_pb2.RecognizeRequest, account: Account, context: Context
    ) -> service_pb2.RecognizeResponse:
        headers = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        with (
            metrics.request("grpc", "Recognize") as measured,
            tracing.received("gRPC Recognize", headers, SpanKind.SERVER),
        ):
            try:
                answer = await self._read(request, account, context)
            except Exception as error:
                response = _failed(request, error)
            else:
                response = service_pb2.RecognizeResponse(
                    request_id=request.request_id, recognition=answer.recognition, calls=answer.calls
                )
            measured.status = code(response.error.code).name
            return response

    async def _next(self, context: Context) -> service_pb2.RecognizeRequest | None:
        """The stream's next request; None at its end and when the server stops.

        Raises:
            BadRequest: it cannot be parsed.
            TooSlow: no request arrived for too long.
        """
        try:
            async with asyncio.timeout(self._settings.stream_idle):
                data = await until_stop(context.read(), self._stop)
        except TimeoutError:
            raise TooSlow(f"The stream was silent for {self._settings.stream_idle:g} seconds.") from None
        return _parsed(data, service_pb2.RecognizeRequest) if isinstance(data, bytes) else None


def most_waiting(settings: Settings) -> int:
    """Calls of one client whose picture has not arrived: as many as may be worked on."""
    return max(_LEAST_WAITING, settings.http_in_flight)


def _parsed(data: bytes, kind: type[M]) -> M:
    """Parse a message. Raises BadRequest if the bytes are not one."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise BadRequest(f"The message is not a {kind.DESCRIPTOR.name}.") from error


def _client(account: Account, context: Context) -> str:
    return account.client(address(context))


def _failed(request: service_pb2.RecognizeRequest, error: Exception) -> service_pb2.RecognizeResponse:
    return service_pb2.RecognizeResponse(request_id=request.request_id, error=_status(error))


def _status(error: Exception) -> Status:
    """The error as the caller sees it."""
    if not isinstance(error, PlatelaneError):
        log.error("call_failed", exc_info=error)
        return to_status(Fault("Internal server error."))
    if error.status >= 500:
        log.warning("call_failed", status=error.status, error=error.detail)
    return to_status(error)
