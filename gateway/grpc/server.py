"""The gRPC server: the service itself, health and reflection, on one port, with TLS where there is a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.accounts import Accounts
from gateway.grpc_edge.reader import NAME, PlateReader
from gateway.grpc_edge.results import Results
from gateway.recognizer import Recognizer
from platelane import service, tls
from platelane.bus import Bus
from platelane.errors import CannotStart
from platelane.settings import Settings

log = structlog.get_logger(__name__)

STREAMS: Final = 128
"""Calls beside those that read one picture: streams, subscribers, health checks."""
_LARGER: Final = 1 << 20
"""Bytes over the limit that are received, so that the refusal can say what the limit is."""
_LOOK_AGAIN: Final = 1.0
"""Seconds between two looks at whether the service can work, for those who watch its health."""
_CHANNEL: Final[list[tuple[str, int]]] = [
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
    ("grpc.max_concurrent_streams", 256),
    # A connection whose other end vanished is noticed, and clients may find out in the same way.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


@asynccontextmanager
async def serving(
    recognizer: Recognizer, accounts: Accounts, bus: Bus, settings: Settings, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Serve while the block runs; on leaving, calls under way are finished within the deadline.

    Raises:
        CannotStart: the address is taken or not ours, or the certificate cannot be used.
    """
    encrypted = tls.server_context(settings) is not None
    results, watched = Results(bus), _Health()
    await results.start()
    server = grpc.aio.server(
        options=[*_CHANNEL, ("grpc.max_receive_message_length", settings.upload_limit + _LARGER)],
        maximum_concurrent_rpcs=settings.http_in_flight + STREAMS,
    )
    server.add_generic_rpc_handlers((PlateReader(recognizer, accounts, results, settings, stop).handler(),))
    health_pb2_grpc.add_HealthServicer_to_server(watched, server)
    reflection.enable_server_reflection((NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{host}:{settings.grpc_port}"
    try:
        if encrypted:
            server.add_secure_port(address, grpc.ssl_server_credentials([tls.server_files(settings)]))
        else:
            server.add_insecure_port(address)
    except RuntimeError as error:
        raise CannotStart(f"The gRPC service cannot listen on {address}.") from error
    await server.start()
    log.info("grpc_listening", address=address)
    watching = asyncio.create_task(watched.keep_up())
    try:
        yield
    finally:
        watching.cancel()
        await server.stop(settings.deadline)


class _Health(health.aio.HealthServicer):  # type: ignore[name-defined,misc]
    """The standard health service, with the truth of the health page."""

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> Any:  # noqa: N802
        await self._look()
        return await super().Check(request, context)

    async def keep_up(self) -> None:
        """Tell watchers of changes."""
        while True:
            await self._look()
            await asyncio.sleep(_LOOK_AGAIN)

    async def _look(self) -> None:
        ready = all((await service.health.report()).values())
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", NAME):
            await self.set(name, status)
