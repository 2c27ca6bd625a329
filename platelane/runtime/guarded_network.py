"""Connects to hosts that callers name, without giving access to our own network (SSRF).

The rule applies to the address that a connection goes to, not to its spelling in the URL: each host is resolved once,
all its addresses must be public, and the connection is made to one of them. This covers decimal, octal and mapped
spellings, names of internal hosts, redirects to them, and DNS rebinding.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import httpcore

from platelane.errors import ForbiddenAddress

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host, as text."""
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""What `socket.getaddrinfo` says of an address: family, type, protocol, canonical name, address."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = 0x0000_5EFE
_INTERNAL: Final[tuple[Network, ...]] = (
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv4Network("192.0.0.0/24"),  # protocols' own (IANA); 192.0.0.192 is Oracle Cloud's metadata
    IPv4Network("168.63.129.16/32"),  # Azure's wire server
    IPv4Network("192.80.8.124/32"),  # metadata of Equinix Metal
    IPv4Network("161.26.0.0/16"),  # IBM Cloud's services, as are the next
    IPv4Network("166.8.0.0/14"),
    IPv4Network("199.36.153.4/30"),  # Google Cloud's internal addresses of its APIs, as are the next
    IPv4Network("199.36.153.8/30"),
    IPv4Network("35.199.192.0/19"),  # Google Cloud's forwarded DNS and checks
    IPv6Network("3fff::/20"),  # documentation, RFC 9637
)
"""Addresses that `ipaddress` considers global, but that are internal to a network or a cloud."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver knows.

    Raises:
        OSError: there are none.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects only to public addresses and `allowed` networks."""

    def __init__(self, allowed: Iterable[Network], resolve: Resolve = resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def addresses(self, host: str, port: int) -> list[Address]:
        """All addresses of a host.

        Raises:
            ForbiddenAddress: one of them is not allowed.
            OSError, UnicodeError: there are none, or the name cannot be encoded.
        """
        # link-local addresses come with a zone, which does not matter here
        found = [ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        if not all(map(self._permits, found)):
            raise ForbiddenAddress
        return found

    def socket_to(self, info: AddressInfo) -> socket.socket:
        """A socket for a connection to this address.

        Raises:
            ForbiddenAddress: it is not allowed, or it is a spelling that has yet to be resolved.
        """
        family, kind, protocol, _, (host, *_) = info
        try:
            address = ip_address(str(host).partition("%")[0])
        except ValueError:
            raise ForbiddenAddress from None
        if not self._permits(address):
            raise ForbiddenAddress
        return socket.socket(family, kind, protocol)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        problem: Exception = OSError("no address")
        for address in await self.addresses(host, port):
            try:
                return await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except httpcore.NetworkError as error:
                problem = error
        raise problem

    def _permits(self, address: Address) -> bool:
        return is_public(address) or any(_embedded(address) in network for network in self._allowed)


def is_public(address: Address) -> bool:
    """Whether the address is on the public internet: not on this machine, in our networks, or internal to the cloud."""
    inner = _embedded(address)
    if any(inner in network for network in _INTERNAL):
        return False
    if isinstance(inner, IPv6Address):
        # mapped, translated and tunnelled IPv4 addresses are outside of this range, or (6to4, Teredo) not global
        return inner in _GLOBAL_UNICAST and inner.is_global and inner.sixtofour is None and not _is_isatap(inner)
    return inner.is_global and not inner.is_multicast


def _is_isatap(address: IPv6Address) -> bool:
    """Whether the address leads through a tunnel to the IPv4 address at its end (RFC 5214)."""
    return int(address) >> 32 & 0xFDFF_FFFF == _ISATAP


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, mapped (::ffff:0:0/96) or translated (64:ff9b::/96)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address
