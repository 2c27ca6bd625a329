"""Free ports on this machine: the usual one if it is free, else another one."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass, field

from platelane.errors import CannotStart

LOOPBACK = "127.0.0.1"
_OTHERS = range(20_000, 32_000)  # below the range that the kernel gives to outgoing connections


@dataclass(slots=True)
class Ports:
    """Hands out each port once, and remembers which usual ports were taken by other programs."""

    moved: dict[int, int] = field(default_factory=dict)
    _given: set[int] = field(default_factory=set)

    def take(self, usual: int = 0, host: str = LOOPBACK) -> int:
        """`usual` if it is free, else any free port; 0 has no usual one."""
        port = usual if usual and self._free(usual, host) else self._other(host)
        if usual and port != usual:
            self.moved[usual] = port
        self._given.add(port)
        return port

    def _other(self, host: str) -> int:
        for _ in range(200):
            port = random.choice(_OTHERS)
            if self._free(port, host):
                return port
        raise CannotStart(f"No free port was found on {host}.")

    def _free(self, port: int, host: str) -> bool:
        if port in self._given:
            return False
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
        return True
