"""The gRPC client: a typed `platelane.v1.PlateReader` that raises Platelane's own errors.

async with PlateReader("127.0.0.1:8090") as reader:
    recognition = await reader.recognize(Path("car.jpg").read_bytes(), camera_id="gate")
    async for recognition in reader.subscribe("gate"):
        print([sighting.plate.text for sighting in recognition.sightings])
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import grpc

from platelane.errors import PlatelaneError
from platelane.grpc_status import ADMITTED, from_call, from_status
from platelane.pb.v1 import domain_pb2, service_pb2, service_pb2_grpc

_CHANNEL: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
]

Request = service_pb2.RecognizeRequest
Response = service_pb2.RecognizeResponse


class PlateReader:
    """One connection to a gateway, for any number of concurrent calls within one event loop.

    Every method raises the errors of `platelane.errors` that the server reports, EngineUnavailable if the server cannot
    be reached, and DeadlineExceeded if it does not answer in time.
    """

    def __init__(
        self, address: str = "127.0.0.1:8090", token: str = "", credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        """`address` is "host:port"; without `credentials` the connection is not encrypted."""
        self._channel = (
            grpc.aio.secure_channel(address, credentials, options=_CHANNEL)
            if credentials
            else grpc.aio.insecure_channel(address, options=_CHANNEL)
        )
        self._stub: Any = service_pb2_grpc.PlateReaderStub(self._channel)  # type: ignore[no-untyped-call]
        self._metadata = (("authorization", f"Token {token}"),) if token else ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End calls that are under way, and the connection."""
        await self._channel.close(grace=None)

    async def recognize(
        self,
        image: bytes,
        *,
        camera_id: str = "",
        filename: str = "",
        taken: datetime | None = None,
        options: domain_pb2.Options | None = None,
        timeout: float = 10.0,
    ) -> domain_pb2.Recognition:
        """Read an encoded picture, taken at `taken` (with an offset; by default now), within `timeout` seconds."""
        with _own_errors():
            response: Response = await self._stub.Recognize(
                request(image, camera_id=camera_id, filename=filename, taken=taken, options=options),
                timeout=timeout,
                metadata=self._metadata,
            )
        return response.recognition

    async def recognize_all(
        self, requests: AsyncIterable[Request] | Iterable[Request], timeout: float | None = None
    ) -> AsyncIterator[tuple[str, domain_pb2.Recognition | PlatelaneError]]:
        """The id of each request with its recognition or its error, in the order in which they are ready.

        Requests are taken from `requests` as fast as the server accepts them; `timeout` is for all, in seconds.
        """

        async def admitted() -> AsyncIterator[Request]:
            # if the server refused the call while pictures were being sent, gRPC would lose its reason
            if ADMITTED not in await call.initial_metadata():
                await call.code()
            elif isinstance(requests, AsyncIterable):
                async for each in requests:
                    yield each
            else:
                for each in requests:
                    yield each

        with _own_errors():
            call = self._stub.RecognizeStream(admitted(), timeout=timeout, metadata=self._metadata)
            async for response in call:
                failed = response.WhichOneof("outcome") == "error"
                yield response.request_id, from_status(response.error) if failed else response.recognition

    async def subscribe(self, *camera_ids: str) -> AsyncIterator[domain_pb2.Recognition]:
        """Every new recognition of these cameras, or of all; raises EngineUnavailable when the server stops."""
        with _own_errors():
            wanted = service_pb2.SubscribeRequest(camera_ids=camera_ids)
            async for recognition in self._stub.Subscribe(wanted, metadata=self._metadata):
                yield recognition


def request(
    image: bytes,
    request_id: str = "",
    *,
    camera_id: str = "",
    filename: str = "",
    taken: datetime | None = None,
    options: domain_pb2.Options | None = None,
) -> Request:
    """A request of `recognize_all`."""
    return Request(
        request_id=request_id,
        image=image,
        options=options,
        camera_id=camera_id,
        filename=filename,
        timestamp_us=round(taken.timestamp() * 1e6) if taken else 0,
    )


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise from_call(error) from error
