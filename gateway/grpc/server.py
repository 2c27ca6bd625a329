"""The gRPC server: the service, health and reflection on one port, with TLS if there is a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gateway.accounts import Accounts
from gateway.grpc.plate_reader import CLIENTS, NAME, STREAMS, PlateReader, most_waiting
from gateway.grpc.standard_services import MOST, Guard, HealthService
from gateway.idempotency import KeyedRequests
from gateway.intake import Intake
from gateway.jobs import JobClient
from gateway.result_feed import ResultFeed
from platelane.errors import CannotStart
from platelane.runtime import tls
from platelane.runtime.settings import Settings

log = structlog.get_logger(__name__)

_OVER_LIMIT: Final = 1 << 20
"""Bytes over the upload limit that are still received, so that the refusal can name the limit."""
_CHANNEL: Final[list[tuple[str, int]]] = [
    ("grpc.so_reuseport", 0),  # fail if the port is taken
    ("grpc.max_concurrent_streams", 256),
    # so that both ends notice when the other is gone
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


@asynccontextmanager
async def serving(
    jobs: JobClient,
    keyed: KeyedRequests,
    accounts: Accounts,
    intake: Intake,
    feed: ResultFeed,
    settings: Settings,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Serve while the block runs; then calls in progress get until the deadline to finish.

    Raises:
        CannotStart: the address is taken or not local, or the certificate cannot be used.
    """
    encrypted = tls.server_context(settings) is not None
    watched = HealthService(("", NAME), stop)
    server = grpc.aio.server(
        interceptors=[Guard(settings, stop)],
        options=[*_CHANNEL, ("grpc.max_receive_message_length", settings.upload_limit + _OVER_LIMIT)],
        maximum_concurrent_rpcs=CLIENTS * most_waiting(settings) + 2 * STREAMS + MOST,
    )
    server.add_generic_rpc_handlers((PlateReader(jobs, keyed, accounts, intake, feed, settings, stop).handler(),))
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
