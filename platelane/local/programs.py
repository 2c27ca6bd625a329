"""The programs of a local Platelane, in the order in which they start, and where they listen."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from platelane.bus.apply import apply
from platelane.bus.connection import Connection
from platelane.errors import CannotStart
from platelane.local import disk
from platelane.local.nats import nats_program, store_folder
from platelane.local.plan import Plan, Program
from platelane.local.ports import LOOPBACK, Ports
from platelane.local.shared_memory import unlink_mapped_shared_memory
from platelane.local.triton import grpc_address, triton_program
from platelane.local.triton_environment import environment_folder, find_environment
from platelane.runtime.settings import Settings

WORKERS = ("detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads")
SERVICES = ("gateway", *WORKERS)


def make_plan(
    settings: Settings, scale: Mapping[str, int], ports: Ports | None = None, *, fixed_port: bool = False
) -> Plan:
    """The programs of a local Platelane, on ports that are free now; `scale` has the number of processes by service.

    With `fixed_port`, the REST API must be on the settings' port.

    Raises CannotStart if a program is not installed, the folder of the models holds none, that port is taken, the disk
    is full, or the settings name servers on other machines.
    """
    _check_supported(settings)
    ports = ports or Ports()
    state_dir = settings.state_dir
    store = store_folder(state_dir)
    requested, settings = settings, disk.fitted(settings, store)
    nats_port = ports.take(_usual_port("PLATELANE_NATS_URL", settings.nats_url))
    # a password, because other users of this machine can reach the port
    nats_url = f"nats://platelane:{secrets.token_hex(32)}@{LOOPBACK}:{nats_port}"
    _usual_port("PLATELANE_TRITON_URL", settings.triton_url)
    triton_port = ports.take()
    triton_url = grpc_address(triton_port)
    port = ports.take(settings.port, settings.host)
    if fixed_port and port != settings.port:
        raise CannotStart(f"Port {settings.port} is taken by another program. Choose another, or --port 0 for any.")
    environment = find_environment(environment_folder(state_dir))
    url = f"http://{LOOPBACK if settings.host in ('0.0.0.0', '::') else _bracketed(settings.host)}:{port}"
    grpc_port = ports.take(settings.grpc_port, settings.host) if settings.grpc_port else 0
    shared = _environment(settings, nats_url, triton_url, port, grpc_port)
    services = {
        service: tuple(
            _service(service, name, shared, ports.take(), url if service == "gateway" else "")
            for name in _process_names(service, scale.get(service, 1))
        )
        for service in SERVICES
    }
    triton = replace(
        triton_program(environment, settings.model_repository, state_dir / "triton", triton_port),
        start_seconds=120.0,
        on_ready=_free_shared_memory,
    )
    nats = replace(
        nats_program(nats_url, ports.take(), state_dir, settings.nats_sync_interval),
        on_ready=_topology(settings, nats_url),
    )
    workers = tuple(program for service in WORKERS for program in services[service])

    def names(*stage: str) -> tuple[str, ...]:
        return tuple(program.name for service in stage for program in services[service])

    return Plan(
        starts=((nats,), (triton, *workers, *services["gateway"])),
        # Once the gateway has answered its callers, the workers can stop too; unfinished work goes back to NATS.
        stops=(names("gateway"), (*names(*WORKERS), triton.name), (nats.name,)),
        url=url,
        nats_url=nats_url,
        triton_url=triton_url,
        state_dir=state_dir,
        moved_ports=dict(ports.moved),
        notices=disk.explained(requested, settings, store),
        grpc_address=f"{urlsplit(url).netloc.rpartition(':')[0]}:{grpc_port}" if grpc_port else "",
    )


def _check_supported(settings: Settings) -> None:
    """Raises CannotStart for settings that a local Platelane cannot work with."""
    if settings.tls_cert:
        raise CannotStart(
            "`platelane up` serves this machine, without TLS. Unset PLATELANE_TLS_CERT, or start the services "
            "separately (`python -m gateway`, ...)."
        )
    if not (settings.model_repository / "detector" / "config.pbtxt").is_file():
        raise CannotStart(
            f"{settings.model_repository} holds no models of Platelane. Choose another folder with --models or "
            "PLATELANE_MODEL_REPOSITORY."
        )


def _environment(settings: Settings, nats_url: str, triton_url: str, port: int, grpc_port: int) -> dict[str, str]:
    """The environment variables of all services."""
    return {
        "PLATELANE_NATS_URL": nats_url,
        "PLATELANE_NATS_USER": "",
        "PLATELANE_NATS_PASSWORD": "",
        "PLATELANE_NATS_CA": "",
        "PLATELANE_NATS_CERT": "",
        "PLATELANE_TRITON_URL": triton_url,
        "PLATELANE_HOST": settings.host,
        "PLATELANE_PORT": str(port),
        "PLATELANE_GRPC_PORT": str(grpc_port),
        "PLATELANE_HEALTH_HOST": LOOPBACK,
        "PLATELANE_STATE_DIR": str(settings.state_dir),
        "PLATELANE_READS_DATABASE": settings.reads_database.get_secret_value(),
        "PLATELANE_RESULTS_BYTES": str(settings.results_bytes),
        "PLATELANE_CROPS_BYTES": str(settings.crops_bytes),
        "PLATELANE_IMAGE_BYTES": str(settings.image_bytes),
        "PLATELANE_QUEUE_LIMIT": str(settings.queue_limit),
        "PLATELANE_MODEL_REPOSITORY": str(settings.model_repository),
        "PYTHONUNBUFFERED": "1",
    }


def _process_names(service: str, count: int) -> tuple[str, ...]:
    return (service,) if count == 1 else tuple(f"{service}-{number}" for number in range(1, count + 1))


def _service(service: str, name: str, shared: Mapping[str, str], health_port: int, address: str) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-P", "-m", service),
        environment={**shared, "PLATELANE_HEALTH_PORT": str(health_port)},
        ready_url=f"http://{LOOPBACK}:{health_port}/readyz",
        address=address,
        package=service,
    )


def _topology(settings: Settings, nats_url: str) -> Callable[[int], Awaitable[None]]:
    """Creates streams and consumers whenever NATS has started, because it may have lost its files."""
    ours = settings.model_copy(
        update={"nats_url": nats_url, "nats_user": "", "nats_password": SecretStr(""), "nats_ca": "", "nats_cert": ""}
    )

    async def apply_topology(_pid: int) -> None:
        connection = await Connection.open(ours, "topology")
        try:
            await apply(connection, ours)
        finally:
            await connection.close()

    return apply_topology


async def _free_shared_memory(pid: int) -> None:
    unlink_mapped_shared_memory(pid)


def _usual_port(variable: str, url: str) -> int:
    """The port to try first. Raises CannotStart if the settings name a server on another host."""
    address = urlsplit(url if "://" in url else f"grpc://{url}")
    if address.hostname not in (LOOPBACK, "localhost"):
        raise CannotStart(
            f"{variable} is {url}, but `platelane up` runs its own server on this machine. Unset it, "
            "or start the services separately (`python -m gateway`, ...)."
        )
    return address.port or 0


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
