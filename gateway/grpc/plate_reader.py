"""The service `platelane.v1.PlateReader`: three methods, each thin over the core that REST uses too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import grpc
import structlog
from google.rpc.status_pb2 import Status
from opentelemetry.trace import SpanKind

from gateway.accounts import Account, Accounts
from gateway.grpc_edge.requests import photograph
from gateway.grpc_edge.results import Results
from gateway.recognizer import Answer, Recognizer
from platelane import metrics, tracing
from platelane.errors import BadRequest, EngineUnavailable, Fault, Forbidden, PlatelaneError
from platelane.pb.v1 import domain_pb2, service_pb2
from platelane.settings import Settings
from platelane.statuses import ADMITTED, DETAILS_KEY, to_status

log = structlog.get_logger(__name__)

NAME: Final = service_pb2.DESCRIPTOR.services_by_name["PlateReader"].full_name
STREAM_IN_FLIGHT: Final = 8
"""Pictures of one stream that are worked on at once."""

T = TypeVar("T")
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class PlateReader:
    """Handles calls until `stop`; streams end then, after what they have taken is answered.

    Calls with a single request are served like streams of requests, which are the same on the wire: so the token is
    looked at before the request has arrived, and there is a limit on how long that may take.
    """

    def __init__(
        self, recognizer: Recognizer, accounts: Accounts, results: Results, settings: Settings, stop: asyncio.Event
    ) -> None:
        self._recognizer = recognizer
        self._accounts = accounts
        self._results = results
        self._settings = settings
        self._stop = stop

    async def Recognize(  # noqa: N802  the names of the protocol
        self, requests: AsyncIterator[service_pb2.RecognizeRequest], context: Context
    ) -> service_pb2.RecognizeResponse:
        account = await self._account(context)
        response = await self._response(await self._only(requests, context), account, context)
        if response.HasField("error"):
            await _abort(context, response.error)
        return response

    async def RecognizeStream(  # noqa: N802
        self, _requests: object, context: Context
    ) -> None:
        await self._account(context)
        await context.send_initial_metadata(((ADMITTED, "1"),))
        places, writing = asyncio.Semaphore(STREAM_IN_FLIGHT), asyncio.Lock()

        async def answer(request: service_pb2.RecognizeRequest, account: Account) -> None:
            if request.request_id:
                response = await self._response(request, account, context)
            else:
                response = _failed(request, BadRequest("A request of a stream needs a request_id."))
            async with writing:
                await context.write(response)
            places.release()  # only now: who does not read answers sends no more pictures

        async with asyncio.TaskGroup() as group:
            await places.acquire()
            while request := await self._next(context):
                try:
                    account = self._caller(context)
                except Forbidden:
                    break
                group.create_task(answer(request, account))
                del request
                await places.acquire()
        await self._account(context)  # whose token may have been revoked
        if self._stop.is_set():
            await _abort(context, to_status(EngineUnavailable("The server is stopping.")))

    async def Subscribe(  # noqa: N802
        self, requests: AsyncIterator[service_pb2.SubscribeRequest], context: Context
    ) -> AsyncIterator[domain_pb2.Recognition]:
        account = await self._account(context)
        request = await self._only(requests, context)
        try:
            start = await self._results.end()
        except PlatelaneError as error:
            await _abort(context, to_status(error))
        await context.send_initial_metadata(())
        try:
            async with aclosing(self._results.follow(start, frozenset(request.camera_ids))) as results:
                while result := await self._until_stop(anext(results)):
                    if result.account == account.id:
                        await self._account(context)
                        yield result.recognition
        except EngineUnavailable as error:
            await _abort(context, to_status(error))
        await _abort(context, to_status(EngineUnavailable("The server is stopping.")))

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The methods of the service, for a server."""
        recognize = service_pb2.RecognizeRequest.FromString, service_pb2.RecognizeResponse.SerializeToString
        subscribe = service_pb2.SubscribeRequest.FromString, domain_pb2.Recognition.SerializeToString
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
        """The caller's account, as it is now; a call without one ends here."""
        try:
            return self._caller(context)
        except Forbidden as error:
            await _abort(context, to_status(error, grpc.StatusCode.UNAUTHENTICATED))

    async def _only(self, requests: AsyncIterator[T], context: Context) -> T:
        """The one message of a call; who does not send it in time must not hold a place that others want."""
        try:
            async with asyncio.timeout(self._settings.upload_timeout):
                return await anext(requests)
        except TimeoutError:
            reason = f"The request did not arrive within {self._settings.upload_timeout:g} seconds."
        except StopAsyncIteration:
            reason = "The call has no request."
        return await _abort(context, to_status(BadRequest(reason)))

    async def _read(self, request: service_pb2.RecognizeRequest, account: Account, context: Context) -> Answer:
        with self._recognizer.admitted():
            await self._accounts.admit(account)
            return await self._recognizer.recognize(
                photograph(request, self._settings.upload_limit),
                account.id,
                patience=context.time_remaining(),
                droppable=True,
            )

    async def _response(
        self, request: service_pb2.RecognizeRequest, account: Account, context: Context
    ) -> service_pb2.RecognizeResponse:
        headers = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        with (
            metrics.request("grpc", "Recognize") as noted,
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
            noted.status = _code(response.error.code).name
            return response

    async def _next(self, context: Context) -> service_pb2.RecognizeRequest | None:
        """The stream's next request; None at its end and when the server stops."""
        request = await self._until_stop(context.read())
        return request if isinstance(request, service_pb2.RecognizeRequest) else None

    async def _until_stop(self, waited_for: Awaitable[T]) -> T | None:
        """What comes, or None if the server is to stop before."""
        coming = asyncio.ensure_future(waited_for)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return coming.result() if coming.done() else None
        finally:
            coming.cancel()
            stopping.cancel()
            await asyncio.wait({coming, stopping})


def _failed(request: service_pb2.RecognizeRequest, error: Exception) -> service_pb2.RecognizeResponse:
    return service_pb2.RecognizeResponse(request_id=request.request_id, error=_status(error))


def _status(error: Exception) -> Status:
    """What a caller is told of an error."""
    if not isinstance(error, PlatelaneError):
        log.error("call_failed", exc_info=error)
        return to_status(Fault("Internal server error."))
    if error.status >= 500:
        log.warning("call_failed", status=error.status, error=error.detail)
    return to_status(error)


async def _abort(context: Context, status: Status) -> NoReturn:
    await context.abort(_code(status.code), status.message, ((DETAILS_KEY, status.SerializeToString()),))


def _code(number: int) -> grpc.StatusCode:
    return next(code for code in grpc.StatusCode if code.value[0] == number)
