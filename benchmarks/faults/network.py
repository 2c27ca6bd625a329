"""A network of namespaces on this machine: one for services and clients, one for each NATS server."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CLONE_NEWNET: Final = 0x40000000  # <linux/sched.h>
_BRIDGE: Final = "br0"
_SERVICES: Final = "10.77.0.100"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Network:
    """`servers` are the namespaces of the NATS servers, `services` is that of everything else."""

    services: str
    servers: tuple[str, ...]

    @staticmethod
    def address(number: int) -> str:
        """The address of a server."""
        return f"10.77.0.{number + 1}"

    def cut_off(self, number: int) -> None:
        """Cut a server off from everything, without closing connections."""
        _ip("-n", self.services, "link", "set", f"n{number}", "down")

    def join(self, number: int) -> None:
        """Undo `cut_off`."""
        _ip("-n", self.services, "link", "set", f"n{number}", "up")

    def divide(self, number: int) -> None:
        """Separate a server from the other servers; services still reach all of them."""
        self._change_routes("add", number)

    def unite(self, number: int) -> None:
        """Undo `divide`."""
        self._change_routes("del", number)

    def _change_routes(self, change: str, number: int) -> None:
        for other, name in enumerate(self.servers):
            if other != number:
                _ip("-n", self.servers[number], "route", change, "blackhole", f"{self.address(other)}/32")
                _ip("-n", name, "route", change, "blackhole", f"{self.address(number)}/32")


@contextmanager
def made(count: int) -> Iterator[Network]:
    """A network with namespaces for `count` servers while the block runs.

    Raises:
        OSError: it cannot be created.
    """
    name = f"platelane{os.getpid()}"
    network = Network(f"{name}s", tuple(f"{name}n{number}" for number in range(count)))
    with ExitStack() as cleanup:
        for namespace in (network.services, *network.servers):
            _ip("netns", "add", namespace)
            cleanup.callback(_ip, "netns", "delete", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", network.services, "link", "add", _BRIDGE, "type", "bridge")
        _ip("-n", network.services, "addr", "add", f"{_SERVICES}/24", "dev", _BRIDGE)
        _ip("-n", network.services, "link", "set", _BRIDGE, "up")
        for number, namespace in enumerate(network.servers):
            end = ("peer", "name", "eth0", "netns", namespace)
            _ip("-n", network.services, "link", "add", f"n{number}", "type", "veth", *end)
            _ip("-n", network.services, "link", "set", f"n{number}", "master", _BRIDGE, "up")
            _ip("-n", namespace, "addr", "add", f"{network.address(number)}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")
        yield network


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Put this thread, and processes and threads that it starts, into a namespace while the block runs."""
    with open("/proc/thread-self/ns/net") as outside, Path("/run/netns", namespace).open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(outside.fileno())


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.returncode, f"`ip {' '.join(arguments)}`: {done.stderr.strip()}")
